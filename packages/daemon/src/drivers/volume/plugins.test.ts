import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { SocketPlugins } from "./plugins.js";

let dir: string, plugins: SocketPlugins;
const servers: Server[] = [];
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), "strata-plugins-"));
  for (const name of ["run", "etc"]) mkdirSync(join(dir, name));
  plugins = new SocketPlugins({ sockets: join(dir, "run"), specs: [join(dir, "etc"), join(dir, "none")] });
});
afterEach(async () => {
  for (const server of servers.splice(0)) {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  }
  rmSync(dir, { recursive: true });
});

/** A plugin that answers as told by path, and notes what it is asked. */
async function serve(where: string | number, answers: Record<string, readonly [number, unknown]>): Promise<{ asked: [string, unknown][]; port: number }> {
  const asked: [string, unknown][] = [];
  const server = createServer((request, response) => {
    let body = "";
    request.on("data", (d: Buffer) => { body += d.toString(); });
    request.on("end", () => {
      asked.push([request.url!, JSON.parse(body)]);
      const [status, answer] = answers[request.url!] ?? [404, "not found"];
      response.writeHead(status).end(typeof answer === "string" ? answer : JSON.stringify(answer));
    });
  });
  servers.push(server);
  await new Promise<void>((resolve) => { if (typeof where === "number") server.listen(where, "127.0.0.1", () => resolve()); else server.listen(where, () => resolve()); });
  return { asked, port: typeof where === "number" ? (server.address() as AddressInfo).port : 0 };
}
const active = { "/Plugin.Activate": [200, { Implements: ["VolumeDriver"] }] } as const;

test("are found by socket, by folder, by address and by JSON; greeted once", async () => {
  mkdirSync(join(dir, "run", "deep"));
  const one = await serve(join(dir, "run", "one.sock"), active);
  await serve(join(dir, "run", "deep", "deep.sock"), active);
  const { port } = await serve(0, active);
  writeFileSync(join(dir, "etc", "two.spec"), `tcp://127.0.0.1:${port}\n`);
  writeFileSync(join(dir, "etc", "three.json"), JSON.stringify({ Name: "three", Addr: `unix://${join(dir, "run", "one.sock")}` }));
  for (const name of ["one", "one", "deep", "two", "three"]) await plugins.get(name);
  expect(one.asked).toEqual([["/Plugin.Activate", {}], ["/Plugin.Activate", {}]]);
  expect(plugins.names()).toEqual(["deep", "one", "three", "two"]);
});

test("what is no volume plugin, not there or not to be reached", async () => {
  await serve(join(dir, "run", "net.sock"), { "/Plugin.Activate": [200, { Implements: ["NetworkDriver"] }] });
  writeFileSync(join(dir, "etc", "bad.spec"), "ftp://x");
  writeFileSync(join(dir, "etc", "dead.spec"), `unix://${join(dir, "gone.sock")}`);
  writeFileSync(join(dir, "etc", "tls.json"), JSON.stringify({ Addr: "tcp://127.0.0.1:1", TLSConfig: {} }));
  await expect(plugins.get("net")).rejects.toMatchObject({ code: "NotFound", message: 'plugin "net" does not implement VolumeDriver' });
  await expect(plugins.get("none")).rejects.toMatchObject({ code: "NotFound", message: 'error looking up volume plugin none: plugin "none" not found' });
  await expect(plugins.get("../etc/passwd")).rejects.toMatchObject({ code: "NotFound" });
  await expect(plugins.get("bad")).rejects.toMatchObject({ code: "Unavailable" });
  await expect(plugins.get("dead")).rejects.toMatchObject({ code: "Unavailable", message: expect.stringContaining("the plugin dead does not answer") });
  await expect(plugins.get("tls")).rejects.toThrow("plugins are not spoken to over TLS");
});

test("each call as the protocol has it, and errors in the plugin's words", async () => {
  const { asked } = await serve(join(dir, "run", "one.sock"), {
    ...active, "/VolumeDriver.Create": [200, { Err: "" }], "/VolumeDriver.Mount": [200, { Mountpoint: "/m" }], "/VolumeDriver.Unmount": [200, {}], "/VolumeDriver.Path": [200, { Mountpoint: "" }],
    "/VolumeDriver.Get": [200, { Volume: { Name: "v", Mountpoint: "/m", Status: { a: 1 } } }], "/VolumeDriver.List": [200, { Volumes: [{ Name: "v" }, {}] }], "/VolumeDriver.Remove": [500, { Err: "in use" }],
  });
  const plugin = await plugins.get("one");
  await plugin.create("v", { a: "b" });
  expect(await plugin.mount("v", "id")).toBe("/m");
  await plugin.unmount("v", "id");
  expect(await plugin.path("v")).toBe("");
  expect(await plugin.get("v")).toEqual({ name: "v", mountpoint: "/m", status: { a: 1 } });
  expect(await plugin.list()).toEqual([{ name: "v", mountpoint: "" }]);
  expect(await plugin.scope()).toBe("local");
  await expect(plugin.remove("v")).rejects.toThrow("VolumeDriver.Remove: in use");
  expect(asked.slice(1, 4)).toEqual([["/VolumeDriver.Create", { Name: "v", Opts: { a: "b" } }], ["/VolumeDriver.Mount", { Name: "v", ID: "id" }], ["/VolumeDriver.Unmount", { Name: "v", ID: "id" }]]);
});
