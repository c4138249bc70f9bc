import { rename, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { type Container, newId, rfc3339Nano } from "../core/index.js";

/**
 * Writes `config.v2.json` and `hostconfig.json` as Docker lays them out, for tools that read them on disk. They mirror
 * the ledger and are never read back, so they are replaced whole but not synced.
 */
export async function writeMirror(directory: string, container: Container): Promise<void> {
  await Promise.all([
    replace(join(directory, "config.v2.json"), configV2(directory, container)),
    replace(join(directory, "hostconfig.json"), container.hostConfig),
  ]);
}

async function replace(path: string, value: unknown): Promise<void> {
  // Two mirrors of one container may be under way at once.
  const temporary = `${path}.${newId().slice(0, 12)}.tmp`;
  await writeFile(temporary, JSON.stringify(value), { mode: 0o600 });
  await rename(temporary, path);
}

function configV2(directory: string, c: Container): object {
  const { status } = c.state;
  return {
    StreamConfig: {},
    State: {
      Running: status === "running" || status === "paused" || status === "restarting",
      Paused: status === "paused",
      Restarting: status === "restarting",
      OOMKilled: c.state.oomKilled,
      RemovalInProgress: status === "removing",
      Dead: status === "dead",
      Pid: c.state.pid,
      ExitCode: c.state.exitCode,
      Error: c.state.error,
      StartedAt: rfc3339Nano(c.state.startedAt),
      FinishedAt: rfc3339Nano(c.state.finishedAt),
      Health: null,
    },
    ID: c.id,
    Created: rfc3339Nano(c.createdAt),
    Managed: false,
    Path: c.path,
    Args: c.args,
    Config: c.config,
    Image: c.imageId,
    NetworkSettings: { Bridge: "", SandboxID: "", HairpinMode: false, Networks: c.networks, Ports: null, IsAnonymousEndpoint: false, HasSwarmEndpoint: false },
    LogPath: join(directory, `${c.id}-json.log`),
    Name: `/${c.name}`,
    Driver: c.driver,
    OS: "linux",
    RestartCount: c.state.restartCount,
    HasBeenStartedBefore: c.state.startedAt !== undefined,
    HasBeenManuallyStopped: c.state.stoppedByUser ?? false,
    MountPoints: Object.fromEntries(c.mounts.map((m) => [m.Destination, {
      Source: m.Source, Destination: m.Destination, RW: m.RW, Name: m.Name ?? "", Driver: m.Driver ?? "", Type: m.Type, Relabel: m.Mode, Propagation: m.Propagation,
    }])),
    SecretReferences: null,
    ConfigReferences: null,
    AppArmorProfile: "",
    HostnamePath: join(directory, "hostname"),
    HostsPath: join(directory, "hosts"),
    ShmPath: "",
    ResolvConfPath: join(directory, "resolv.conf"),
    SeccompProfile: "",
    NoNewPrivileges: false,
  };
}
