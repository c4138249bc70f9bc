import { mkdtempSync, renameSync, rmSync, statSync, writeFileSync } from "node:fs";
import { createServer, request, type Server } from "node:http";
import { createServer as createNetServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { silentLogger } from "../core/index.js";
import { groupId, listenActivated, listenTcp, listenUnix } from "./listen.js";

let dir: string;
const servers: Server[] = [];
beforeEach(() => { dir = mkdtempSync(join(tmpdir(), "strata-listen-")); });
afterEach(async () => {
  await Promise.all(servers.splice(0).map((s) => new Promise((resolve) => s.close(resolve))));
  rmSync(dir, { recursive: true, force: true });
});
const server = (): Server => {
  const made = createServer((_request, response) => response.end("here"));
  servers.push(made);
  return made;
};
const answer = (options: { socketPath: string } | { port: number }): Promise<string> => new Promise((resolve, reject) => {
  request({ ...options, agent: false }, (response) => response.on("data", (d: Buffer) => resolve(d.toString()))).on("error", reject).end();
});
const asRoot = process.getuid?.() === 0 ? test : test.skip;

describe("unix", () => {
  asRoot("mode and group (needs root)", async () => {
    const path = join(dir, "sub/s.sock");
    await listenUnix(server(), path, { gid: 65534 });
    const { mode, gid, uid } = statSync(path);
    expect({ mode: mode & 0o777, gid, uid }).toEqual({ mode: 0o660, gid: 65534, uid: 0 });
    expect(await answer({ socketPath: path })).toBe("here");
  });
  asRoot("a stale socket is replaced, a live one is not (needs root)", async () => {
    const path = join(dir, "s");
    await listenUnix(server(), path, { gid: 0 });
    await expect(listenUnix(server(), path, { gid: 0 })).rejects.toThrow("another daemon answers there");
    expect(await answer({ socketPath: path })).toBe("here");
    // What a killed daemon leaves: a socket file that nobody listens on.
    const stale = join(dir, "stale");
    const gone = createNetServer();
    await new Promise<void>((resolve) => gone.listen(stale, resolve));
    renameSync(stale, `${stale}.kept`);
    await new Promise((resolve) => gone.close(resolve));
    renameSync(`${stale}.kept`, stale);
    await listenUnix(server(), stale, { gid: 0 });
    expect(await answer({ socketPath: stale })).toBe("here");
  });
  test("something that is no socket stays", async () => {
    const path = join(dir, "file");
    writeFileSync(path, "precious");
    await expect(listenUnix(server(), path, { gid: 0 })).rejects.toThrow("it is not a socket");
  });
  test("a path that is too long", async () => {
    await expect(listenUnix(server(), join(dir, "x".repeat(120)), { gid: 0 })).rejects.toThrow("longer than 107 bytes");
  });
});

test("tcp warns", async () => {
  const warnings: string[] = [];
  const s = server();
  await listenTcp(s, "127.0.0.1", 0, { ...silentLogger, warn: (_context, message) => warnings.push(message) });
  const address = s.address();
  expect(await answer({ port: typeof address === "object" ? address!.port : 0 })).toBe("here");
  expect(warnings).toEqual([expect.stringContaining("without TLS")]);
});

test("fd:// without sockets", async () => {
  await expect(listenActivated(server, {})).rejects.toThrow("no sockets were handed over");
  await expect(listenActivated(server, { LISTEN_PID: "1", LISTEN_FDS: "1" })).rejects.toThrow("no sockets were handed over");
});

test("groups", () => {
  const file = join(dir, "group");
  writeFileSync(file, "root:x:0:\ndocker:x:121:a,b\nstrata:x:130:\n");
  expect(groupId("", ["strata", "docker"], file)).toBe(130);
  expect(groupId("", ["podman", "docker"], file)).toBe(121);
  expect(groupId("", ["podman"], file)).toBe(0);
  expect(groupId("docker", [], file)).toBe(121);
  expect(groupId("77", [], file)).toBe(77);
  expect(() => groupId("nobody-here", [], file)).toThrow("there is no group nobody-here");
});
