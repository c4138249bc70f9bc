// Docker Engine API client over a unix socket, just what the bench needs.
import { Agent, request } from "node:http";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { pipeline } from "node:stream/promises";
import { dirname } from "node:path";

const API = "/v1.41";

export class Engine {
  /**
   * spec: [NAME=]SOCKET[;dir=DIR][;cg=GROUP+GROUP] - processes whose command line mentions DIR
   * count as the engine's; the GROUPs are cpuacct cgroups that hold the engine and its containers.
   */
  constructor(spec) {
    const [head, ...options] = spec.split(";");
    const [, name, socket] = /^(?:([^=/]+)=)?(?:unix:\/\/)?(\/.+)$/.exec(head) ?? [];
    if (!socket) throw new Error(`bad engine: ${spec}`);
    const option = (key) => options.find((o) => o.startsWith(key + "="))?.slice(key.length + 1);
    this.socket = socket;
    this.name = name ?? dirname(socket).split("/").pop();
    this.dir = option("dir") ?? dirname(socket);
    this.cgroups = option("cg")?.split("+") ?? [];
    this.agent = new Agent({ keepAlive: true, maxSockets: 64 });
  }

  /** Sends a request; resolves with the response once its headers are in. */
  open(method, path, { query, json, file, headers = {} } = {}) {
    const qs = query ? "?" + new URLSearchParams(query) : "";
    const body = json === undefined ? undefined : Buffer.from(JSON.stringify(json));
    if (body) headers = { ...headers, "content-type": "application/json", "content-length": body.length };
    if (file) headers = { ...headers, "content-type": "application/x-tar" };
    return new Promise((resolve, reject) => {
      const req = request({ socketPath: this.socket, agent: this.agent, method, path: API + path + qs, headers });
      req.on("response", resolve).on("error", reject);
      if (file) pipeline(file, req).catch(reject);
      else req.end(body);
    });
  }

  async call(method, path, options = {}) {
    const res = await this.open(method, path, options);
    const parts = [];
    for await (const c of res) parts.push(c);
    const text = Buffer.concat(parts).toString();
    if (res.statusCode >= 400 && !options.allow?.includes(res.statusCode)) {
      throw new Error(`${method} ${path}: ${res.statusCode} ${text.slice(0, 300)}`);
    }
    return { status: res.statusCode, text, json: () => JSON.parse(text) };
  }

  /** A call whose response is a stream of JSON messages (pull, build, load); throws on an error message. */
  async progress(method, path, options) {
    const { text } = await this.call(method, path, options);
    const bad = /^.*"error(?:Detail)?":.*$/m.exec(text);
    if (bad) throw new Error(`${path}: ${bad[0].slice(0, 300)}`);
    return text;
  }

  pull(ref) {
    const at = ref.lastIndexOf(":");
    return this.progress("POST", "/images/create", { query: { fromImage: ref.slice(0, at), tag: ref.slice(at + 1) } });
  }
  rmi(ref) { return this.call("DELETE", `/images/${ref}`, { query: { force: 1 }, allow: [404] }); }
  async has(ref) { return (await this.call("GET", `/images/${ref}/json`, { allow: [404] })).status === 200; }
  async ensure(ref) { if (!(await this.has(ref))) await this.pull(ref); }

  async create(image, cmd, { network = "none", ...rest } = {}) {
    const res = await this.call("POST", "/containers/create", {
      json: { Image: image, Cmd: cmd, Labels: { bench: "1" }, HostConfig: { NetworkMode: network }, ...rest },
    });
    return res.json().Id;
  }
  start(id) { return this.call("POST", `/containers/${id}/start`); }
  async wait(id) { return (await this.call("POST", `/containers/${id}/wait`)).json().StatusCode; }
  rm(id) { return this.call("DELETE", `/containers/${id}`, { query: { force: 1, v: 1 }, allow: [404] }); }

  /** Runs a command in a running container the way the CLI does (hijacked stream); resolves with the exit code. */
  async exec(id, cmd) {
    const { Id } = (await this.call("POST", `/containers/${id}/exec`, { json: { Cmd: cmd, AttachStdout: true, AttachStderr: true } })).json();
    const body = Buffer.from(JSON.stringify({ Detach: false, Tty: false }));
    await new Promise((resolve, reject) => {
      const req = request({
        socketPath: this.socket, method: "POST", path: `${API}/exec/${Id}/start`,
        headers: { "content-type": "application/json", "content-length": body.length, connection: "Upgrade", upgrade: "tcp" },
      });
      req.on("upgrade", (_res, socket) => socket.on("end", () => { socket.end(); resolve(); }).on("error", reject).resume());
      req.on("response", (res) => res.on("end", resolve).on("error", reject).resume());
      req.on("error", reject).end(body);
    });
    return (await this.call("GET", `/exec/${Id}/json`)).json().ExitCode;
  }

  /** Counts the lines in a multiplexed log stream. */
  async countLines(id, query) {
    const res = await this.open("GET", `/containers/${id}/logs`, { query: { stdout: 1, stderr: 1, ...query } });
    let lines = 0, left = 0, head = Buffer.alloc(0);
    for await (let chunk of res) {
      if (head.length) { chunk = Buffer.concat([head, chunk]); head = Buffer.alloc(0); }
      let at = 0;
      while (at < chunk.length) {
        if (left === 0) {
          if (chunk.length - at < 8) { head = chunk.subarray(at); break; }
          left = chunk.readUInt32BE(at + 4);
          at += 8;
        }
        const end = Math.min(chunk.length, at + left);
        for (let i = chunk.indexOf(10, at); i !== -1 && i < end; i = chunk.indexOf(10, i + 1)) lines++;
        left -= end - at;
        at = end;
      }
    }
    return lines;
  }

  async cli(...args) {
    const child = spawn("docker", args, { stdio: ["ignore", "ignore", "pipe"], env: { ...process.env, DOCKER_HOST: `unix://${this.socket}` } });
    let err = "";
    child.stderr.on("data", (c) => (err += c));
    const [code] = await once(child, "close");
    if (code !== 0) throw new Error(`docker ${args.join(" ")}: exit ${code} ${err.slice(0, 300)}`);
  }

  /** Removes every container that the bench made. */
  async sweep() {
    const list = (await this.call("GET", "/containers/json", { query: { all: 1, filters: '{"label":["bench=1"]}' } })).json();
    await inParallel(8, list, (c) => this.rm(c.Id));
  }
}

export async function inParallel(width, items, fn) {
  const queue = [...items];
  const out = [];
  await Promise.all(Array.from({ length: width }, async () => {
    while (queue.length) out.push(await fn(queue.shift()));
  }));
  return out;
}
