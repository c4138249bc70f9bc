import { mkdirSync, rmSync } from "node:fs";
import { createServer, type Server } from "node:http";
import { dirname, join } from "node:path";

interface Kept { readonly options: Record<string, string>; readonly users: Set<string> }

/** A volume plugin of Docker's protocol: volumes are directories below `folder`. */
export class VolumePlugin {
  /** Methods called, with the volume's name. */
  readonly calls: string[] = [];
  readonly volumes = new Map<string, Kept>();
  /** What a method is to answer as its error. */
  readonly refuse = new Map<string, string>();
  private server: Server | undefined;
  /** The first folder that was not there before. */
  private made: string | undefined;

  constructor(readonly socket: string, private readonly folder: string) {}

  async start(): Promise<void> {
    this.made = mkdirSync(dirname(this.socket), { recursive: true });
    rmSync(this.socket, { force: true });
    const server = createServer((request, response) => {
      let body = "";
      request.on("data", (chunk: Buffer) => { body += chunk.toString(); });
      request.on("end", () => {
        const answer = this.answer(request.url!, JSON.parse(body || "{}") as Asked);
        response.writeHead("Err" in answer && answer.Err !== "" ? 500 : 200, { "Content-Type": "application/vnd.docker.plugins.v1.2+json" }).end(JSON.stringify(answer));
      });
    });
    await new Promise<void>((resolve) => server.listen(this.socket, () => resolve()));
    this.server = server;
  }

  async stop(): Promise<void> {
    this.server?.closeAllConnections();
    await new Promise<void>((resolve) => { if (this.server) this.server.close(() => resolve()); else resolve(); });
    this.server = undefined;
    rmSync(this.socket, { force: true });
    if (this.made !== undefined) rmSync(this.made, { recursive: true });
    this.made = undefined;
  }

  private place(name: string): string { return join(this.folder, name); }

  private answer(url: string, { Name = "", ID = "", Opts }: Asked): Answer {
    const method = url.slice(url.lastIndexOf(".") + 1);
    this.calls.push(`${method} ${Name}`.trim());
    const refusal = this.refuse.get(method);
    if (refusal !== undefined) return { Err: refusal };
    if (url === "/Plugin.Activate") return { Implements: ["VolumeDriver"] };
    const kept = this.volumes.get(Name);
    const told = (name: string, { users }: Kept): object => ({ Name: name, Mountpoint: users.size > 0 ? this.place(name) : "", Status: { users: users.size } });
    switch (method) {
      case "Capabilities": return { Capabilities: { Scope: "global" } };
      case "List": return { Volumes: [...this.volumes].map(([name, volume]) => told(name, volume)), Err: "" };
      case "Create":
        this.volumes.set(Name, { options: Opts ?? {}, users: new Set() });
        mkdirSync(this.place(Name), { recursive: true });
        return { Err: "" };
    }
    if (kept === undefined) return { Err: `${Name} is not known` };
    switch (method) {
      case "Get": return { Volume: told(Name, kept), Err: "" };
      case "Path": return { Mountpoint: this.place(Name), Err: "" };
      case "Mount":
        kept.users.add(ID);
        return { Mountpoint: this.place(Name), Err: "" };
      case "Unmount":
        kept.users.delete(ID);
        return { Err: "" };
      case "Remove":
        this.volumes.delete(Name);
        rmSync(this.place(Name), { recursive: true });
        return { Err: "" };
      default: return { Err: `no method ${method}` };
    }
  }
}
interface Asked { readonly Name?: string; readonly ID?: string; readonly Opts?: Record<string, string> }
type Answer = Record<string, unknown>;
