/** The proxy of faulty-registry.ts: `node faulty-registry-main.js PORT UPSTREAM`; orders come by standard input. */
import { Agent, type IncomingMessage, type ServerResponse, createServer, request as ask } from "node:http";
import { createInterface } from "node:readline";
import { Transform, type TransformCallback } from "node:stream";
import type { Exchange, Fault } from "./faulty-registry.js";

type Entry = { -readonly [K in keyof Exchange]: Exchange[K] };
const [port, upstream] = [Number(process.argv[2]), process.argv[3]!];
const agent = new Agent({ keepAlive: true });
let faults: (Fault & { left: number })[] = [];
let entries: Entry[] = [];
const waiting: (() => void)[] = [];

createInterface({ input: process.stdin }).on("line", (line) => {
  const order = JSON.parse(line) as { id: number; faults?: Fault[]; release?: boolean; report?: boolean };
  if (order.faults) [faults, entries] = [order.faults.map((f) => ({ ...f, left: f.times ?? Infinity })), []];
  if (order.release) for (const go of waiting.splice(0)) go();
  console.log(`${order.id} ${order.report ? JSON.stringify(entries) : ""}`);
}).on("close", () => process.exit());

/** Passes a body on as a fault has it; `start` is where in the blob it begins. */
class Body extends Transform {
  private position = 0;
  constructor(private fault: Fault | undefined, private readonly start: number, private readonly response: ServerResponse, private readonly entry: Entry) { super(); }

  override _transform(chunk: Buffer, _encoding: BufferEncoding, done: TransformCallback): void {
    const before = this.position;
    this.position += chunk.length;
    const { fault } = this;
    const end = fault !== undefined && "after" in fault ? fault.after - before : chunk.length;
    if (fault?.kind === "flip" && fault.at >= this.start + before && fault.at < this.start + this.position) chunk[fault.at - this.start - before]! ^= 1;
    if (end >= chunk.length) {
      const go = (): void => this.give(chunk, done);
      if (fault?.kind === "slow") setTimeout(go, (chunk.length / fault.bytesPerSecond) * 1000);
      else go();
      return;
    }
    const first = chunk.subarray(0, Math.max(0, end));
    if (fault!.kind === "hold") {
      this.give(first, () => waiting.push(() => this.give(chunk.subarray(first.length), done)));
      this.fault = undefined;
      return;
    }
    this.give(first, () => {
      if (fault!.kind === "truncate") this.push(null);
      // What was written is to arrive before the connection breaks.
      if (fault!.kind === "cut") setTimeout(() => this.response.destroy(), 50);
    });
  }
  private give(bytes: Buffer, done: () => void): void {
    this.entry.sent += bytes.length;
    if (bytes.length > 0) this.push(bytes);
    done();
  }
}

function faultOf(method: string, path: string): Fault | undefined {
  const found = faults.find((f) => f.left > 0 && new RegExp(f.on).test(`${method} ${path}`));
  if (found) found.left--;
  return found;
}

function pass(request: IncomingMessage, response: ServerResponse, fault: Fault | undefined, entry: Entry): void {
  const headers = { ...request.headers };
  if (fault?.kind === "whole") delete headers["range"];
  const further = ask({ host: upstream.split(":")[0], port: upstream.split(":")[1], method: request.method, path: request.url, headers, agent }, (answer) => {
    const out = { ...answer.headers };
    const length = Number(out["content-length"]);
    if (fault?.kind === "length") out["content-length"] = String(length + fault.by);
    if (fault?.kind === "truncate" && length > fault.after) out["content-length"] = String(fault.after);
    // Locations lead back here: the request's Host went along.
    response.writeHead(answer.statusCode!, out);
    entry.status = answer.statusCode!;
    const start = Number(/^bytes (\d+)-/.exec(out["content-range"] ?? "")?.[1] ?? 0);
    const body = answer.pipe(new Body(fault, start, response, entry));
    body.pipe(response);
    response.on("close", () => answer.destroy());
  });
  further.on("error", () => response.destroy());
  request.on("data", (chunk: Buffer) => {
    if (request.destroyed) return;
    const room = fault?.kind === "cut-upload" ? fault.after - entry.received : chunk.length;
    entry.received += Math.min(room, chunk.length);
    further.write(chunk.subarray(0, room));
    if (room >= chunk.length) return;
    // What was written is to arrive before the connection breaks.
    request.pause();
    setTimeout(() => { further.destroy(); request.destroy(); }, 100);
  }).on("end", () => further.end());
}

createServer((request, response) => {
  const { method = "", url = "", headers } = request;
  const fault = faultOf(method, url);
  const entry: Entry = { method, path: url, status: 0, sent: 0, received: 0, ...(headers.range ? { range: headers.range } : {}), ...(headers.authorization ? { authorization: headers.authorization } : {}) };
  entries.push(entry);
  response.on("error", () => undefined);
  if (fault?.kind === "status") {
    entry.status = fault.status;
    request.resume();
    response.writeHead(fault.status, fault.headers).end(fault.body ?? "");
  } else if (fault?.kind === "redirect") {
    entry.status = 307;
    response.writeHead(307, { Location: `${fault.to}${url}` }).end();
  } else pass(request, response, fault, entry);
}).listen(port, "127.0.0.1", () => console.log("ready"));
