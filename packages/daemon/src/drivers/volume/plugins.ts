import { readdir, readFile } from "node:fs/promises";
import { type ClientRequest, request } from "node:http";
import { join } from "node:path";
import { errnoOf, messageOf, NotFound, type PluginVolume, Unavailable, type VolumePlugin, type VolumePlugins } from "../../core/index.js";

export interface PluginDirectories {
  /** Holds NAME.sock, or NAME/NAME.sock. */
  readonly sockets: string;
  /** Hold NAME.spec with an address, or NAME.json with an address as `Addr`. */
  readonly specs: readonly string[];
}
/** Where Docker's plugins are found. */
export const PLUGIN_DIRECTORIES: PluginDirectories = { sockets: "/run/docker/plugins", specs: ["/etc/docker/plugins", "/usr/lib/docker/plugins"] };

/** How long a plugin may take over an answer, in milliseconds. */
const PATIENCE = 120_000;
const MEDIA_TYPE = "application/vnd.docker.plugins.v1.2+json";

type Address = { readonly socketPath: string } | { readonly host: string; readonly port: number };

/** Plugins that are found by their sockets and specifications, each time anew: they come and go. */
export class SocketPlugins implements VolumePlugins {
  /** Addresses of those that said that they keep volumes. */
  readonly #activated = new Map<string, string>();

  constructor(private readonly directories: PluginDirectories) {}

  names(): string[] {
    return [...this.#activated.keys()].sort();
  }

  async get(name: string): Promise<VolumePlugin> {
    const address = await this.#find(name);
    const plugin = new HttpPlugin(name, address);
    const key = JSON.stringify(address);
    if (this.#activated.get(name) !== key) {
      await plugin.activate();
      this.#activated.set(name, key);
    }
    return plugin;
  }

  async #find(name: string): Promise<Address> {
    const { sockets, specs } = this.directories;
    if (/^[a-zA-Z0-9][a-zA-Z0-9_.-]*$/.test(name)) {
      for (const [directory, file] of [[sockets, `${name}.sock`], [join(sockets, name), `${name}.sock`]] as const) {
        if ((await entries(directory)).includes(file)) return { socketPath: join(directory, file) };
      }
      for (const directory of specs) {
        for (const [file, addressIn] of [[`${name}.spec`, (text: string) => text.trim()], [`${name}.json`, addrOf]] as const) {
          const text = await readFile(join(directory, file), "utf8").catch((e: unknown) => { if (errnoOf(e) === "ENOENT") return null; throw e; });
          if (text !== null) return parseAddress(name, addressIn(text));
        }
      }
    }
    throw new NotFound(`error looking up volume plugin ${name}: plugin ${JSON.stringify(name)} not found`);
  }
}

async function entries(directory: string): Promise<string[]> {
  try {
    return await readdir(directory);
  } catch (e) {
    if (errnoOf(e) === "ENOENT" || errnoOf(e) === "ENOTDIR") return [];
    throw e;
  }
}

function addrOf(text: string): string {
  const { Addr, TLSConfig } = JSON.parse(text) as { Addr?: unknown; TLSConfig?: unknown };
  if (TLSConfig !== undefined) throw new Unavailable("plugins are not spoken to over TLS");
  return typeof Addr === "string" ? Addr : "";
}

function parseAddress(name: string, text: string): Address {
  const unix = /^unix:\/\/(\/.+)$/.exec(text);
  if (unix !== null) return { socketPath: unix[1]! };
  const tcp = /^(?:tcp|http):\/\/(\[[0-9a-fA-F:]+\]|[^:/]+):(\d+)\/?$/.exec(text);
  if (tcp !== null) return { host: tcp[1]!.replace(/^\[|\]$/g, ""), port: Number(tcp[2]) };
  throw new Unavailable(`the address of the plugin ${name} is not unix://PATH or tcp://HOST:PORT: ${text}`);
}

/** One plugin, spoken to in JSON over HTTP (Docker's plugin API). */
class HttpPlugin implements VolumePlugin {
  constructor(private readonly name: string, private readonly address: Address) {}

  /** NotFound when it keeps no volumes. */
  async activate(): Promise<void> {
    const { Implements } = await this.#call("/Plugin.Activate", {}) as { Implements?: string[] };
    if (Implements?.includes("VolumeDriver") !== true) throw new NotFound(`plugin ${JSON.stringify(this.name)} does not implement VolumeDriver`);
  }

  async create(name: string, options: Readonly<Record<string, string>>): Promise<void> { await this.#volume("Create", { Name: name, Opts: options }); }
  async remove(name: string): Promise<void> { await this.#volume("Remove", { Name: name }); }
  async mount(name: string, owner: string): Promise<string> { return mountpoint(await this.#volume("Mount", { Name: name, ID: owner })); }
  async unmount(name: string, owner: string): Promise<void> { await this.#volume("Unmount", { Name: name, ID: owner }); }
  async path(name: string): Promise<string> { return mountpoint(await this.#volume("Path", { Name: name })); }

  async get(name: string): Promise<PluginVolume> {
    const { Volume } = await this.#volume("Get", { Name: name }) as { Volume?: Told };
    if (!Volume?.Name) throw new NotFound(`get ${name}: no such volume`);
    return volumeOf(Volume);
  }
  async list(): Promise<readonly PluginVolume[]> {
    const { Volumes } = await this.#volume("List", {}) as { Volumes?: Told[] | null };
    return (Volumes ?? []).filter((v) => v.Name).map(volumeOf);
  }
  async scope(): Promise<"local" | "global"> {
    // Plugins of the first version of the protocol do not know the question.
    const { Capabilities } = await this.#volume("Capabilities", {}).catch(() => ({})) as { Capabilities?: { Scope?: string } };
    return Capabilities?.Scope?.toLowerCase() === "global" ? "global" : "local";
  }

  async #volume(method: string, body: object): Promise<object> {
    const answer = await this.#call(`/VolumeDriver.${method}`, body) as { Err?: string };
    if (answer.Err) throw new Error(`VolumeDriver.${method}: ${answer.Err}`);
    return answer;
  }

  async #call(path: string, body: object): Promise<object> {
    const text = JSON.stringify(body);
    const { status, answer } = await new Promise<{ status: number; answer: string }>((resolve, reject) => {
      const sent: ClientRequest = request({ ...this.address, method: "POST", path, agent: false, headers: { "Content-Type": MEDIA_TYPE, Accept: MEDIA_TYPE, "Content-Length": Buffer.byteLength(text) } }, (response) => {
        let said = "";
        response.setEncoding("utf8");
        response.on("data", (chunk: string) => { said += chunk; });
        response.on("error", reject);
        response.on("end", () => resolve({ status: response.statusCode ?? 0, answer: said }));
      });
      sent.setTimeout(PATIENCE, () => sent.destroy(new Error("it took too long")));
      sent.on("error", reject);
      sent.end(text);
    }).catch((cause: unknown) => { throw new Unavailable(`the plugin ${this.name} does not answer: ${messageOf(cause)}`, { cause }); });
    const value = parsed(answer);
    if (status === 200) return value;
    throw new Error(`${path.slice(1)}: ${(value as { Err?: string }).Err || answer.trim() || `status ${status}`}`);
  }
}

interface Told { readonly Name?: string; readonly Mountpoint?: string; readonly Status?: Record<string, unknown> | null }

const mountpoint = (answer: object): string => (answer as { Mountpoint?: string }).Mountpoint ?? "";
const volumeOf = ({ Name, Mountpoint, Status }: Told): PluginVolume => ({ name: Name!, mountpoint: Mountpoint ?? "", ...(Status ? { status: Status } : {}) });

function parsed(text: string): object {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === "object" && value !== null ? value : {};
  } catch {
    return {};
  }
}
