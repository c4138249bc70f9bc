import { Background, ok, type Result, run, type RunOptions } from "./run.js";

let made = 0;

/**
 * A network namespace of its own: the daemon, its registry and its clients live in it, the host's network stays as it is.
 * Programs enter with nsenter; `ip netns exec` would remount /sys and hide the cgroups.
 */
export class Netns {
  private constructor(readonly name: string) {}

  static async create(): Promise<Netns> {
    const netns = new Netns(`strata-test-${process.pid}-${made++}`);
    await ok("ip", ["netns", "add", netns.name]);
    await ok("ip", ["-n", netns.name, "link", "set", "lo", "up"]);
    return netns;
  }

  get path(): string { return `/run/netns/${this.name}`; }
  /** The command line that runs a program inside. */
  inside(program: string, args: readonly string[]): [string, string[]] {
    return ["nsenter", [`--net=${this.path}`, program, ...args]];
  }
  run(program: string, args: readonly string[], options?: RunOptions): Promise<Result> { return run(...this.inside(program, args), options); }
  ok(program: string, args: readonly string[], options?: RunOptions): Promise<string> { return ok(...this.inside(program, args), options); }
  start(program: string, args: readonly string[], options?: ConstructorParameters<typeof Background>[2]): Background {
    return new Background(...this.inside(program, args), options);
  }
  /** Body of an HTTP answer, asked again for a few seconds while nobody listens yet. */
  fetch(url: string): Promise<string> {
    return this.ok("curl", ["-sS", "--fail", "--max-time", "10", "--retry", "20", "--retry-delay", "0", "--retry-connrefused", "--retry-max-time", "10", url]);
  }
  async remove(): Promise<void> { await run("ip", ["netns", "del", this.name]); }
}
