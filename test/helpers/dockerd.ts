import { existsSync, mkdirSync, readFileSync, rmSync } from "node:fs";
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
    try {
      await until(async () => ((await dockerd.docker(["version"])).code === 0 ? true : undefined), 60_000, () => process.output.slice(-2000), () => process.ended);
    } catch (error) {
      await dockerd.stop();
      throw error;
    }
    return dockerd;
  }

  docker(args: readonly string[], options: RunOptions = {}): Promise<Result> { return run("docker", args, { ...options, env: { ...this.env(), ...options.env } }); }
  dockerOk(...args: readonly string[]): Promise<string> { return ok("docker", args, { env: this.env() }); }
  private env(): NodeJS.ProcessEnv { return { ...globalThis.process.env, DOCKER_HOST: `unix://${join(this.folder, "s.sock")}`, DOCKER_CONFIG: this.folder }; }

  get socket(): string { return join(this.folder, "s.sock"); }
  get dataRoot(): string { return join(this.folder, "data"); }

  /** As a crash would end it, and its containerd with it. */
  async kill9(): Promise<void> {
    const file = join(this.folder, "exec/containerd/containerd.pid");
    const containerd = existsSync(file) ? readFileSync(file, "utf8").trim() : "";
    this.process.kill("SIGKILL");
    // It may have gone by itself.
    if (containerd !== "") try { globalThis.process.kill(Number(containerd), "SIGKILL"); } catch { /* gone */ }
    await this.process.exit;
    await unmountBelow(this.folder);
    // The next one would wait for the containerd that its process ID names, were that not reaped yet.
    rmSync(join(this.folder, "exec/containerd"), { recursive: true, force: true });
  }

  async stop(): Promise<void> {
    this.process.kill("SIGTERM");
    await this.process.exit;
    await unmountBelow(this.folder);
  }
}
