import { execFileSync } from "node:child_process";
import { createSocket } from "node:dgram";
import { mkdtempSync, rmSync } from "node:fs";
import { createServer, type AddressInfo } from "node:net";
import { hostname, tmpdir } from "node:os";
import { join } from "node:path";
import type { LogQuery, Output } from "../../core/index.js";
import { syslogMessage, type SyslogSender } from "./syslog-format.js";
import { parseSyslogAddress } from "./syslog-transport.js";
import { SyslogLogs } from "./syslog.js";
import { container } from "./testing/container.js";
import { DatagramListener } from "./testing/datagram-listener.js";

const record = (text: string, stream: Output["stream"] = "stdout"): Output => ({ stream, data: Buffer.from(text), time: "2026-01-01T00:00:00.000000000Z", partial: !text.endsWith("\n") });
const noon = Date.parse("2026-03-05T12:00:01.234Z");
const all: LogQuery = { follow: false, stdout: true, stderr: true };

let dir: string;
beforeEach(() => { dir = mkdtempSync(join(tmpdir(), "strata-syslog-")); });
afterEach(() => rmSync(dir, { recursive: true, force: true }));

test("messages in every format", () => {
  const sender: SyslogSender = { format: "", facility: 3, hostname: "host", tag: "box", pid: 42 };
  const said = (format: SyslogSender["format"], r = record("hello\n")): string => syslogMessage({ ...sender, format }, r, noon).toString();
  const local = execFileSync("date", ["-d", "@1772712001", "+%b %e %H:%M:%S"], { encoding: "utf8", env: { ...process.env, LC_ALL: "C" } }).trim();
  expect(said("")).toBe(`<30>${local} box[42]: hello\n`);
  expect(said("rfc3164", record("bad", "stderr"))).toBe(`<27>${local} host box[42]: bad\n`);
  expect(said("rfc5424")).toBe("<30>1 2026-03-05T12:00:01Z host box 42 box - hello\n");
  expect(said("rfc5424micro")).toBe("<30>1 2026-03-05T12:00:01.234000Z host box 42 box - hello\n");
});

test("addresses", () => {
  expect(parseSyslogAddress("udp://log.example:1514")).toEqual({ kind: "udp", host: "log.example", port: 1514 });
  expect(parseSyslogAddress("tcp://[::1]")).toEqual({ kind: "tcp", host: "::1", port: 514 });
  expect(parseSyslogAddress("unix:///x/y")).toEqual({ kind: "unix", path: "/x/y" });
  expect(parseSyslogAddress(undefined)).toEqual({ kind: "unixgram", path: "/dev/log" });
  for (const bad of ["log.example", "http://x", "udp://", "udp://x:99999", "unix://relative"]) expect(() => parseSyslogAddress(bad)).toThrow("syslog-address should be in form proto://address");
});

test("options", () => {
  const logs = new SyslogLogs({ now: () => noon });
  logs.check({ "syslog-address": "udp://127.0.0.1", "syslog-facility": "local3", "syslog-format": "rfc5424", tag: "{{.Name}}", labels: "a", mode: "non-blocking", "max-buffer-size": "1m", "cache-max-size": "1m" });
  expect(() => logs.check({ "syslog-facility": "nowhere" })).toThrow("invalid syslog facility: nowhere");
  expect(() => logs.check({ "syslog-format": "rfc1" })).toThrow("Invalid syslog format");
  expect(() => logs.check({ "max-size": "1m" })).toThrow("unknown log opt 'max-size' for syslog log driver");
});

async function send(address: string, records: readonly Output[]): Promise<string[]> {
  const logs = new SyslogLogs({ now: () => noon }), file = join(dir, "cache");
  const writer = await logs.open(file, { "syslog-address": address, "syslog-format": "rfc5424", tag: "{{.Name}}" }, container);
  await writer.write(records);
  await writer.close();
  const kept: string[] = [];
  for await (const batch of logs.read(file, all, new AbortController().signal)) kept.push(...batch.map((r) => r.data.toString()));
  return kept;
}
const line = (priority: number, text: string): string => `<${priority}>1 2026-03-05T12:00:01Z ${hostname()} box ${process.pid} box - ${text}\n`;

test("goes out by UDP, a datagram for each record, and can be read here", async () => {
  const server = createSocket("udp4"), heard: string[] = [];
  await new Promise<void>((resolve) => server.bind(0, "127.0.0.1", () => resolve()));
  const both = new Promise<void>((resolve) => server.on("message", (m) => { if (heard.push(m.toString()) === 2) resolve(); }));
  expect(await send(`udp://127.0.0.1:${server.address().port}`, [record("one\n"), record("two\n", "stderr")])).toEqual(["one\n", "two\n"]);
  await both;
  server.close();
  expect(heard.sort()).toEqual([line(27, "two"), line(30, "one")]);
});

test.each(["tcp", "unix"])("goes out by %s", async (kind) => {
  let heard = "";
  const path = join(dir, "s");
  const server = createServer((socket) => { socket.on("data", (d) => { heard += d.toString(); }); });
  const ended = new Promise<void>((resolve) => server.once("connection", (socket) => socket.once("close", () => resolve())));
  await new Promise<void>((resolve) => { if (kind === "tcp") server.listen(0, "127.0.0.1", () => resolve()); else server.listen(path, () => resolve()); });
  await send(kind === "tcp" ? `tcp://127.0.0.1:${(server.address() as AddressInfo).port}` : `unix://${path}`, [record("one\n"), record("two\n")]);
  await ended;
  await new Promise((resolve) => server.close(resolve));
  expect(heard).toBe(line(30, "one") + line(30, "two"));
});

test.each(["unixgram", "unix"])("goes out by datagrams to what takes them (%s)", async (scheme) => {
  const listener = await DatagramListener.open(join(dir, "s"));
  await send(`${scheme}://${join(dir, "s")}`, [record("one\n"), record("two\n")]);
  expect(await listener.take(2)).toEqual([line(30, "one"), line(30, "two")].map((text) => Buffer.from(text)));
  listener.close();
});

test("a server that is not there is told", async () => {
  await expect(send(`unix://${join(dir, "none")}`, [])).rejects.toThrow(/ENOENT/);
  await expect(send(`unixgram://${join(dir, "none")}`, [])).rejects.toThrow(/ENOENT|no such file/i);
});
