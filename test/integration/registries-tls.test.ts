/** Registries with TLS, as they are met elsewhere than on this machine: what certs.d, settings and proxies make of them. */
import { copyFileSync, mkdirSync, writeFileSync } from "node:fs";
import { resolve } from "node:path";
import { type Background, type Daemon, TestBed, daemonNeeds, needs, ok, until } from "../helpers/index.js";

const it = needs(...daemonNeeds, "docker", "registry", "openssl", "curl");

/** Addresses of one and the same machine: loopback ones would be trusted anyway. */
const [KNOWN, UNKNOWN, INSECURE] = ["10.77.0.1", "10.77.0.2", "10.77.0.3"] as const;
/** Two registries with the same content; the second asks for a certificate. */
const [OPEN, GUARDED] = [5443, 5444] as const;
const PROXY_PORT = 5600;

let bed: TestBed;
let daemon: Daemon;
const servers: Background[] = [];
const openssl = (...args: string[]): Promise<string> => ok("openssl", args, { cwd: bed.folder });

/** A certificate of our authority. */
async function certificate(name: string, extensions: string): Promise<void> {
  writeFileSync(bed.path(`${name}.ext`), extensions);
  await openssl("req", "-newkey", "rsa:2048", "-nodes", "-subj", `/CN=${name}`, "-keyout", `${name}.key`, "-out", `${name}.csr`);
  await openssl("x509", "-req", "-in", `${name}.csr`, "-CA", "ca.crt", "-CAkey", "ca.key", "-CAcreateserial", "-days", "2", "-extfile", `${name}.ext`, "-out", `${name}.crt`);
}
async function serve(port: number, tls: object): Promise<void> {
  const config = bed.path(`registry-${port}.yml`);
  writeFileSync(config, JSON.stringify({
    version: 0.1, log: { level: "error" }, storage: { filesystem: { rootdirectory: bed.path("registry") } },
    http: { addr: `0.0.0.0:${port}`, tls: { certificate: bed.path("server.crt"), key: bed.path("server.key"), ...tls } },
  }));
  const server = bed.netns.start("docker-registry", ["serve", config]);
  servers.push(server);
  const asked = (): Promise<{ code: number }> => bed.netns.run("curl", ["-sk", "--cert", bed.path("client.crt"), "--key", bed.path("client.key"), `https://${KNOWN}:${port}/v2/`]);
  await until(async () => (await asked()).code === 0 || undefined, 60_000, () => `the registry:\n${server.output}`, () => server.ended);
}
/** What lies in certs.d for a registry, in the /etc that the daemons see. */
function known(registry: string, ...files: (readonly [from: string, to: string])[]): void {
  const folder = bed.path(`etc/strata/certs.d/${registry}`);
  mkdirSync(folder, { recursive: true });
  for (const [from, to] of files) copyFileSync(bed.path(from), `${folder}/${to}`);
}
/** A daemon that sees more in /etc than the machine has. */
const daemonWith = (...flags: string[]): Promise<Daemon> => bed.daemon({
  storageDriver: "overlay2", flags,
  wrap: ["unshare", "--mount", "--propagation", "private", "sh", "-c", `mount -t overlay -o ro,lowerdir=${bed.path("etc")}:/etc overlay /etc && exec "$@"`, "sh"],
});
async function pulls(by: Daemon, name: string): Promise<void> {
  expect(await by.dockerOk("pull", name)).toContain(`Status: Downloaded newer image for ${name}`);
  await by.dockerOk("rmi", name);
}
async function fails(by: Daemon, name: string): Promise<string> {
  const { code, stderr } = await by.docker(["pull", name]);
  expect(code).toBe(1);
  return stderr;
}

beforeAll(async () => {
  bed = await TestBed.create();
  for (const address of [KNOWN, UNKNOWN, INSECURE]) await bed.netns.ok("ip", ["address", "add", `${address}/32`, "dev", "lo"]);
  await openssl("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=an authority of our own", "-days", "2", "-keyout", "ca.key", "-out", "ca.crt");
  await certificate("server", `subjectAltName=${[KNOWN, UNKNOWN, INSECURE].map((a) => `IP:${a}`).join(",")},DNS:registry.test,DNS:behind.test`);
  await certificate("client", "extendedKeyUsage=clientAuth");
  await serve(OPEN, {});
  await serve(GUARDED, { clientcas: [bed.path("ca.crt")] });
  const authority = ["ca.crt", "ca.crt"] as const, own = [["client.crt", "client.cert"], ["client.key", "client.key"]] as const;
  for (const registry of [`${KNOWN}:${OPEN}`, `registry.test:${OPEN}`, `other.test:${OPEN}`, `behind.test:${OPEN}`, `${UNKNOWN}:${GUARDED}`]) known(registry, authority);
  known(`${KNOWN}:${GUARDED}`, authority, ...own);
  writeFileSync(bed.path("etc/hosts"), `127.0.0.1 localhost\n${KNOWN} registry.test other.test\n`);
  daemon = await daemonWith("--insecure-registry", `${INSECURE}:${OPEN}`);
  await daemon.dockerOk("import", "--change", "CMD [\"x\"]", await hostsTar(), `${KNOWN}:${OPEN}/team/app:1`);
  await daemon.dockerOk("push", "-q", `${KNOWN}:${OPEN}/team/app:1`);
  await daemon.dockerOk("rmi", `${KNOWN}:${OPEN}/team/app:1`);
}, 120_000);
afterAll(async () => {
  for (const server of servers) server.kill("SIGTERM");
  for (const server of servers) await server.exit;
  await bed.close();
}, 60_000);

/** Some tar. */
async function hostsTar(): Promise<string> {
  await ok("tar", ["-cf", "some.tar", "-C", "etc", "hosts"], { cwd: bed.folder });
  return bed.path("some.tar");
}

it("an authority in certs.d is trusted for its registry, by address and by name, and for no other", async () => {
  await pulls(daemon, `${KNOWN}:${OPEN}/team/app:1`);
  await pulls(daemon, `registry.test:${OPEN}/team/app:1`);
  expect(await fails(daemon, `${UNKNOWN}:${OPEN}/team/app:1`)).toMatch(/Get "https:\/\/10\.77\.0\.2:5443\/v2\/": .*x509: certificate signed by unknown authority/);
  // The certificate is for another name.
  expect(await fails(daemon, `other.test:${OPEN}/team/app:1`)).toMatch(/x509: certificate is valid for 10\.77\.0\.1, .*registry\.test, behind\.test, not other\.test/);
}, 90_000);

it("a client's certificate is shown where there is one", async () => {
  await pulls(daemon, `${KNOWN}:${GUARDED}/team/app:1`);
  expect(await fails(daemon, `${UNKNOWN}:${GUARDED}/team/app:1`)).toMatch(/certificate required|bad certificate|handshake failure/);
}, 90_000);

it("what is insecure needs no authority; a login and a push neither", async () => {
  await pulls(daemon, `${INSECURE}:${OPEN}/team/app:1`);
  await daemon.dockerOk("pull", "-q", `${INSECURE}:${OPEN}/team/app:1`);
  await daemon.dockerOk("tag", `${INSECURE}:${OPEN}/team/app:1`, `${INSECURE}:${OPEN}/team/again:1`);
  await daemon.dockerOk("push", "-q", `${INSECURE}:${OPEN}/team/again:1`);
  expect((await daemon.docker(["login", "-u", "me", "--password-stdin", `${INSECURE}:${OPEN}`], { input: "secret" })).stdout).toContain("Login Succeeded");
  expect((await daemon.docker(["login", "-u", "me", "--password-stdin", `${UNKNOWN}:${OPEN}`], { input: "secret" })).stderr).toMatch(/x509: certificate signed by unknown authority/);
}, 90_000);

it("a proxy is asked for what is not excepted, with its own password", async () => {
  const proxy = bed.netns.start(process.execPath, [resolve(__dirname, "../helpers/tunnel-proxy.js"), String(PROXY_PORT), `${KNOWN}:${OPEN}`]);
  servers.push(proxy);
  await proxy.waitFor(/^ready$/m, 60_000);
  const behind = await daemonWith("--https-proxy", `http://who:knows@127.0.0.1:${PROXY_PORT}`, "--no-proxy", "10.77.0.0/16,registry.test");
  // Nobody but the proxy knows where this is.
  await pulls(behind, `behind.test:${OPEN}/team/app:1`);
  await pulls(behind, `${KNOWN}:${OPEN}/team/app:1`);
  await pulls(behind, `registry.test:${OPEN}/team/app:1`);
  const asked = proxy.output.split("\n").filter((line) => line.startsWith("CONNECT"));
  expect(new Set(asked)).toEqual(new Set([`CONNECT behind.test:${OPEN} Basic ${Buffer.from("who:knows").toString("base64")}`]));
  expect(await behind.dockerOk("info", "-f", "{{.HTTPSProxy}} {{.NoProxy}}")).toBe(`http://xxxxx:xxxxx@127.0.0.1:${PROXY_PORT} 10.77.0.0/16,registry.test`);
}, 90_000);
