import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type Netns } from "./netns.js";
import { type Background, until } from "./run.js";

/** Debian's docker-registry on a loopback port of a network namespace. */
export class Registry {
  private constructor(readonly address: string, private readonly process: Background) {}

  /** `more`: further lines of its configuration. */
  static async start(netns: Netns, folder: string, port = 5000, more: readonly string[] = []): Promise<Registry> {
    mkdirSync(folder, { recursive: true });
    const address = `127.0.0.1:${port}`;
    const config = join(folder, "config.yml");
    writeFileSync(config, [
      "version: 0.1",
      "log: { level: error, accesslog: { disabled: true } }",
      `storage: { filesystem: { rootdirectory: ${join(folder, "data")} }, delete: { enabled: true } }`,
      `http: { addr: "${address}" }`, ...more,
    ].join("\n"));
    const process = netns.start("docker-registry", ["serve", config]);
    await until(async () => ((await netns.run("curl", ["-s", `http://${address}/v2/`])).code === 0 ? true : undefined), 20_000, () => `the registry:\n${process.output}`, () => process.ended);
    return new Registry(address, process);
  }

  /** Full name of an image here. */
  name(path: string): string { return `${this.address}/${path}`; }

  async stop(): Promise<void> {
    this.process.kill("SIGTERM");
    await this.process.exit;
  }
}
