import { Background, until } from "./run.js";

const quote = (word: string): string => `'${word.replaceAll("'", "'\\''")}'`;

/** A program under a real pseudo-terminal of 40 rows and 120 columns, typed at and read as a user would. */
export class Pty {
  private readonly process: Background;
  private read = 0;

  constructor(command: readonly string[], env: NodeJS.ProcessEnv) {
    const line = `stty rows 40 cols 120; exec ${command.map(quote).join(" ")}`;
    this.process = new Background("script", ["-q", "-e", "-f", "-c", line, "/dev/null"], { env: { ...env, TERM: "xterm", SHELL: "/bin/sh" } });
  }

  get exit(): Promise<number> { return this.process.exit; }
  get output(): string { return this.process.output; }

  type(text: string): void { this.process.child.stdin?.write(text); }
  /** Waits for text that was not matched before. */
  async expect(pattern: RegExp, timeoutMs = 30_000): Promise<RegExpExecArray> {
    const match = await until(() => pattern.exec(this.output.slice(this.read)) ?? undefined, timeoutMs, () => `${String(pattern)} in:\n${this.output.slice(this.read)}`, () => this.process.ended);
    this.read += match.index + match[0].length;
    return match;
  }
  kill(): void { this.process.kill("SIGKILL"); }
}
