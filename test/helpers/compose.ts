import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type Daemon } from "./daemon.js";
import { Background, ok, type Result, run } from "./run.js";

/** A project of docker-compose on a daemon, in a folder of its own. */
export class Compose {
  constructor(private readonly daemon: Daemon, private readonly folder: string, readonly name: string, file: object) {
    mkdirSync(folder, { recursive: true });
    this.write("docker-compose.yml", file);
  }
  /** JSON is YAML. */
  write(name: string, file: object): void { writeFileSync(join(this.folder, name), JSON.stringify({ version: "2.4", ...file })); }

  private line(args: readonly string[]): string[] { return ["--ansi", "never", "-p", this.name, ...args]; }
  private get options(): { cwd: string; env: NodeJS.ProcessEnv } { return { cwd: this.folder, env: this.daemon.env() }; }
  /** Any exit code is an answer. */
  run(...args: readonly string[]): Promise<Result> { return run("docker-compose", this.line(args), this.options); }
  ok(...args: readonly string[]): Promise<string> { return ok("docker-compose", this.line(args), this.options); }
  start(...args: readonly string[]): Background { return new Background("docker-compose", this.line(args), this.options); }
}
