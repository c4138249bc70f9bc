import { resolve } from "node:path";
import { type Netns } from "./netns.js";
import { type Background, until } from "./run.js";

/** What happens to answers whose `METHOD /path` matches `on`. Of several faults the first that matches and has times left counts. */
export type Fault = { readonly on: string; /** How often; always when not given. */ readonly times?: number } & (
  /** The connection breaks after so many bytes of the body. */
  | { readonly kind: "cut"; readonly after: number }
  /** The same with what is sent to the registry, which gets that much. */
  | { readonly kind: "cut-upload"; readonly after: number }
  /** After so many bytes nothing more comes, and the connection stays. */
  | { readonly kind: "stall"; readonly after: number }
  /** One bit of the byte at this place of the whole blob is another. */
  | { readonly kind: "flip"; readonly at: number }
  /** The body ends early, and looks whole. */
  | { readonly kind: "truncate"; readonly after: number }
  /** Content-Length is off by so much. */
  | { readonly kind: "length"; readonly by: number }
  | { readonly kind: "slow"; readonly bytesPerSecond: number }
  | { readonly kind: "status"; readonly status: number; readonly headers?: Readonly<Record<string, string>>; readonly body?: string }
  /** To the same path elsewhere. */
  | { readonly kind: "redirect"; readonly to: string }
  /** Ranges are ignored. */
  | { readonly kind: "whole" }
  /** Bytes go on being sent only when the test says so (`release`). */
  | { readonly kind: "hold"; readonly after: number });

export interface Exchange {
  readonly method: string;
  readonly path: string;
  readonly range?: string;
  readonly authorization?: string;
  readonly status: number;
  /** Bytes of the body that were handed to the connection. */
  readonly sent: number;
  /** Bytes of the request's body. */
  readonly received: number;
}

/** A registry seen through a proxy that breaks what it is told to, in a network namespace, and tells what was asked. */
export class FaultyRegistry {
  private constructor(readonly address: string, private readonly process: Background) {}

  static async start(netns: Netns, upstream: string, port: number): Promise<FaultyRegistry> {
    const process = netns.start(globalThis.process.execPath, [resolve(__dirname, "faulty-registry-main.js"), String(port), upstream]);
    await process.waitFor(/^ready$/m);
    return new FaultyRegistry(`127.0.0.1:${port}`, process);
  }

  name(path: string): string { return `${this.address}/${path}`; }

  /** These, instead of those before; what was asked so far is forgotten. */
  async faults(...faults: readonly Fault[]): Promise<void> { await this.tell({ faults }); }
  async release(): Promise<void> { await this.tell({ release: true }); }
  /** Everything that was asked since the faults were last set, requests under way with what they have sent so far. */
  async exchanges(): Promise<Exchange[]> { return JSON.parse(await this.tell({ report: true })) as Exchange[]; }

  async stop(): Promise<void> {
    this.process.kill("SIGTERM");
    await this.process.exit;
  }

  private asked = 0;
  private async tell(order: object): Promise<string> {
    const id = ++this.asked;
    this.process.child.stdin!.write(`${JSON.stringify({ id, ...order })}\n`);
    const answer = await until(() => new RegExp(`^${id} (.*)\n`, "m").exec(this.process.output)?.[1], 60_000, "the proxy's answer", () => this.process.ended);
    return answer;
  }
}
