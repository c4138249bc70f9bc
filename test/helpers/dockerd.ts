import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { unmountBelow } from "./daemon.js";
import { type Netns } from "./netns.js";
import { type Background, ok, type Result, run, type RunOptions, until } from "./run.js";

/** Debian's dockerd without a network, to compare with. */
export class Dockerd {
  private constructor(private readonly folder: string, private readonly process: Background) {}

  static async start(netns: Netns, folder: string, more: readonly string[] = []): Promise<Dockerd> {
    mkdirSync(folder, { recursive: true });
    const process = netns.start("dockerd", [
      "--data-root", join(folder, "data"), "--exec-root", join(folder, "exec"), "-H", `unix://${join(folder, "s.sock")}`, "--pidfile", join(folder, "pid"),
      "--bridge=none", "--iptables=false", "--ip-forward=false", "--storage-driver=overlay2", ...more,
    ]);
    const dockerd = new Dockerd(folder, process);
    await until(async () => ((await dockerd.docker(["version"])).code === 0 ? true : undefined), 60_000, () => process.output.slice(-2000), () => process.ended);
    return dockerd;
  }

  docker(args: readonly string[], options: RunOptions = {}): Promise<Result> { return run("docker", args, { ...options, env: { ...this.env(), ...options.env } }); }
  dockerOk(...args: readonly string[]): Promise<string> { return ok("docker", args, { env: this.env() }); }
  private env(): NodeJS.ProcessEnv { return { ...globalThis.process.env, DOCKER_HOST: `unix://${join(this.folder, "s.sock")}`, DOCKER_CONFIG: this.folder }; }

  async stop(): Promise<void> {
    this.process.kill("SIGTERM");
    await this.process.exit;
    await unmountBelow(this.folder);
  }
}
