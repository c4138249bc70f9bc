import { existsSync } from "node:fs";
import { posix } from "node:path";
import { familiarName, formatPlatform, hostPlatform, parseReference, platformScore, type ImageConfig, withDefaultTag } from "@strata/oci";
import { type Container, type ContainerConfig, type ContainerId, Conflict, type EndpointSpec, type HostConfig, type Image, InvalidArgument, type MountPoint, newId, NotFound, parseSize } from "../core/index.js";
import { checkHostConfig, commandLine, mergeConfig, withHostDefaults } from "./containers-config.js";
import type { Launcher } from "./containers-launch.js";
import { borrowedMounts, type PlannedMount, planMounts } from "./containers-mounts.js";
import { checkName, randomName } from "./containers-names.js";
import type { Mirrors } from "./containers-mirror.js";
import { emitContainer, type ContainerParts } from "./containers-parts.js";
import { checkHealthConfig } from "./health.js";
import { modeOf } from "./networks-parts.js";
import { parsePort } from "./networks-ports.js";
import { parseSignal } from "./signals.js";
import { checkResources, withoutUnknown } from "./spec/resources.js";
import { runtimeSpec } from "./spec/spec.js";
import type { CreateContainer } from "./types.js";
import { UndoStack } from "./undo.js";

const NAME_ATTEMPTS = 6;

/** Makes containers: everything is checked first, then made, or nothing is. */
export class Creator {
  constructor(private readonly parts: ContainerParts, private readonly launcher: Launcher, private readonly mirrors: Mirrors) {}

  async create(spec: CreateContainer): Promise<{ id: ContainerId; warnings: string[] }> {
    const { parts } = this;
    if (spec.name !== undefined) checkName(spec.name);
    if (!spec.config.Image) throw new InvalidArgument("no image was given");
    const image = parts.images.get(parts.images.resolve(spec.config.Image));
    const warnings = this.platformWarnings(spec, image);
    const config = mergeConfig(spec.config, image.config.config ?? {});
    const { path, args } = commandLine(config);
    if (config.StopSignal) parseSignal(config.StopSignal);
    checkHealthConfig(config.Healthcheck);
    const unnamed = (config.Env ?? []).find((entry) => /^(=|$)/.test(entry));
    if (unnamed !== undefined) throw new InvalidArgument(`invalid environment variable: ${unnamed}`);
    Object.keys(config.ExposedPorts ?? {}).forEach(parsePort);
    if (config.WorkingDir && !posix.isAbsolute(config.WorkingDir)) throw new InvalidArgument(`the working directory '${config.WorkingDir}' is invalid, it needs to be an absolute path`);
    const { hostConfig, warnings: discarded } = withoutUnknown(withHostDefaults(spec.hostConfig, parts.config.defaults), parts.host);
    checkHostConfig(hostConfig);
    warnings.push(...discarded, ...checkResources(hostConfig, parts.host));
    if (hostConfig.NetworkMode === "host" && Object.keys(hostConfig.PortBindings ?? {}).length > 0) warnings.push("Published ports are discarded when using host network mode");
    const planned = planMounts(config, hostConfig, this.borrowed(hostConfig));
    for (const { mustExist, source } of planned) {
      if (mustExist && source !== undefined && !existsSync(source)) throw new InvalidArgument(`invalid mount config for type "bind": bind source path does not exist: ${source}`);
    }

    const id = newId<ContainerId>();
    let container: Container = {
      id, name: spec.name ?? randomName(0), imageId: image.id, imageName: spec.config.Image, createdAt: parts.clock.now(), path, args, config: this.withHostname(id, config, hostConfig),
      hostConfig, networks: {}, mounts: [], driver: "",
      state: { status: "created", pid: 0, exitCode: 0, error: "", oomKilled: false, restartCount: 0 },
    };
    container = { ...container, networks: this.networksOf(container, spec.networks) };
    this.check(container);

    const undo = new UndoStack(parts.logger, { container: id });
    try {
      await parts.leases.with(`create container ${container.name}`, async (lease) => {
        const options = { ...(hostConfig.AutoRemove ? { volatile: true } : {}), ...sizeOption(hostConfig) };
        await undo.together(
          async () => {
            await parts.layers.createWritable(id, image.top, lease, options);
            undo.push("the container's layer", () => parts.layers.release(id));
          },
          async () => { container = { ...container, mounts: await this.volumes(planned, undo) }; },
        );
        container = this.record({ ...container, driver: parts.layers.describe({ owner: id }).name }, spec.name === undefined);
        undo.push("the container", () => parts.containers.remove(id));
        for (const { Type, Name } of container.mounts) if (Type === "volume") parts.volumes.use(Name!, id);
      });
      await parts.containers.makeDirectory(id);
    } catch (e) {
      await undo.undo();
      throw e;
    }
    this.mirrors.changed(id);
    parts.images.touch(image.id);
    emitContainer(parts, container, "create");
    return { id, warnings };
  }

  /** Writes the row. A name of our own choice that is taken is chosen anew. */
  private record(container: Container, chosen: boolean): Container {
    for (let attempt = 0; ; attempt++) {
      const named = attempt === 0 ? container : { ...container, name: randomName(attempt) };
      try {
        this.parts.containers.create(named);
        return named;
      } catch (e) {
        if (!chosen || !(e instanceof Conflict) || attempt === NAME_ATTEMPTS) throw e;
      }
    }
  }

  /** Everything that could be refused later is refused now. */
  private check(container: Container): void {
    const { parts, launcher } = this;
    launcher.runtimeOf(container);
    launcher.logDriverOf(container).check(container.hostConfig.LogConfig?.Config ?? {});
    parts.networking.validate(container);
    runtimeSpec({
      container, host: parts.host, rootfs: "/", user: { uid: 0, gid: 0, additionalGids: [], home: "/" }, ...(container.hostConfig.NetworkMode === "host" ? {} : { netns: "/" }), join: {}, etcFiles: {}, devices: [], hostname: "", cgroupsPath: "/",
    });
  }

  private withHostname(id: ContainerId, config: ContainerConfig, host: HostConfig): ContainerConfig {
    const own = host.NetworkMode !== "host" && !host.NetworkMode?.startsWith("container:") && host.UTSMode !== "host";
    if (config.Hostname && host.UTSMode === "host") throw new InvalidArgument("conflicting options: hostname and the UTS mode");
    if (config.Hostname && host.NetworkMode?.startsWith("container:")) throw new InvalidArgument("conflicting options: hostname and the network mode");
    return config.Hostname || !own ? config : { ...config, Hostname: id.slice(0, 12) };
  }

  /** The network of the mode, by its name, and those asked for. */
  private networksOf(container: Container, asked: Readonly<Record<string, EndpointSpec>>): Record<string, EndpointSpec> {
    const mode = modeOf(container);
    if (mode.kind === "container") return {};
    const name = this.networkName(mode.kind === "network" ? mode.name : mode.kind);
    const all: Record<string, EndpointSpec> = { [name]: {} };
    for (const [key, spec] of Object.entries(asked)) all[key === "default" ? name : this.networkName(key)] = spec;
    return all;
  }

  /** A network's name for its name or ID. One that is not there is told at the start: it may come to be. */
  private networkName(text: string): string {
    try {
      return this.parts.networks.get(text).name;
    } catch (e) {
      if (e instanceof NotFound) return text;
      throw e;
    }
  }

  private borrowed(host: HostConfig): PlannedMount[] {
    const { containers } = this.parts;
    return (host.VolumesFrom ?? []).flatMap((text) => {
      const [name = "", mode = ""] = text.split(":", 2);
      try {
        return borrowedMounts(containers.get(containers.resolve(name)).mounts, mode);
      } catch (e) {
        // "Not found" at a create means the image to clients: they would pull it.
        throw e instanceof NotFound ? new InvalidArgument(`VolumesFrom: ${e.message}`, { cause: e }) : e;
      }
    });
  }

  /** Makes the volumes that are absent; anonymous ones go again when the create fails. */
  private async volumes(planned: readonly PlannedMount[], undo: UndoStack): Promise<MountPoint[]> {
    const { volumes, events } = this.parts;
    return Promise.all(planned.map(async (m): Promise<MountPoint> => {
      const common = { Destination: m.target, Mode: m.mode, RW: m.writable, Propagation: m.propagation };
      if (m.type === "bind") return { Type: "bind", Source: m.source!, ...common };
      if (m.type === "tmpfs") return { Type: "tmpfs", Source: "", ...common };
      const known = m.source !== undefined && this.volumeExists(m.source);
      const volume = await volumes.create({ ...(m.source === undefined ? {} : { name: m.source }), ...m.volume }).catch((e: unknown) => {
        // "Not found" at a create means the image to clients: they would pull it.
        throw e instanceof NotFound ? new InvalidArgument(e.message, { cause: e }) : e;
      });
      if (!known) {
        undo.push(`volume ${volume.name}`, () => volumes.remove(volume.name));
        events.emit({ type: "volume", action: "create", id: volume.name, attributes: { driver: volume.driver } });
      }
      return { Type: "volume", Name: volume.name, Source: volume.mountpoint, Driver: volume.driver, ...common, ...(m.subpath === undefined ? {} : { subpath: m.subpath }) };
    }));
  }

  private volumeExists(name: string): boolean {
    try {
      this.parts.volumes.get(name);
      return true;
    } catch (e) {
      if (e instanceof NotFound) return false;
      throw e;
    }
  }

  private platformWarnings(spec: CreateContainer, image: Image): string[] {
    const { config } = image;
    if (spec.platform !== undefined && platformScore(spec.platform, config) < 0) {
      const name = familiarNameOf(spec.config.Image!);
      throw new NotFound(`image with reference ${name} was found but its platform (${formatPlatform(platformOf(config))}) does not match the specified platform (${formatPlatform(spec.platform)})`);
    }
    if (spec.platform !== undefined || platformScore(hostPlatform(), config) >= 0) return [];
    return [`The requested image's platform (${formatPlatform(platformOf(config))}) does not match the detected host platform (${formatPlatform(hostPlatform())}) and no specific platform was requested`];
  }
}

const platformOf = ({ os, architecture, variant }: ImageConfig) => ({ os, architecture, ...(variant ? { variant } : {}) });

function familiarNameOf(text: string): string {
  try {
    return familiarName(withDefaultTag(parseReference(text)));
  } catch {
    return text;
  }
}

function sizeOption(host: HostConfig): { size?: number } {
  for (const [key, value] of Object.entries(host.StorageOpt ?? {})) {
    if (key !== "size") throw new InvalidArgument(`unknown storage option ${key}: containers take "size"`);
    return { size: parseSize("storage-opt size", value) };
  }
  return {};
}
