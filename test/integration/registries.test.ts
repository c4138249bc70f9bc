import { writeFileSync } from "node:fs";
import { resolve } from "node:path";
import { type Background, type Daemon, FaultyRegistry, type Registry, type TestBed, daemonNeeds, needs, ok, setUp } from "../helpers/index.js";

const it = needs(...daemonNeeds, "docker", "registry", "openssl");

let bed: TestBed, daemon: Daemon;
/** Holds nothing: what it pulls comes whole. */
let other: Daemon;
setUp(async (made) => {
  bed = made;
  daemon = await bed.daemonWithBusybox({ storageDriver: "overlay2" });
  other = await bed.daemon({ storageDriver: "overlay2" });
});

const login = (registry: string, password: string) => daemon.docker(["login", "-u", "me", "--password-stdin", registry], { input: password });
const push = async (name: string): Promise<{ code: number; stderr: string }> => {
  await daemon.dockerOk("tag", "busybox", name);
  const result = await daemon.docker(["push", "-q", name]);
  await daemon.dockerOk("rmi", name);
  return result;
};

describe("a registry with a password file", () => {
  let registry: Registry;
  beforeAll(async () => {
    // `secret` for `me`.
    writeFileSync(bed.path("htpasswd"), "me:$2b$05$DORfozEe9qgpal/8h97DYuSMjds5glszg5ap.IXznf4OZGkoreFg2\n");
    registry = await bed.registry([`auth: { htpasswd: { realm: here, path: ${bed.path("htpasswd")} } }`]);
  }, 60_000);

  it("wants a login, tells a wrong password in Docker's words, forgets at the logout", async () => {
    const name = registry.name("team/private:1");
    const denied = await push(name);
    expect([denied.code, denied.stderr]).toEqual([1, expect.stringMatching(/no basic auth credentials/)]);
    const wrong = await login(registry.address, "wrong");
    expect([wrong.code, wrong.stderr]).toEqual([1, expect.stringContaining(`Get "http://${registry.address}/v2/": unauthorized: authentication required`)]);
    expect((await login(registry.address, "secret")).stdout).toContain("Login Succeeded");
    expect(await push(name)).toMatchObject({ code: 0 });
    await daemon.dockerOk("pull", "-q", name);
    await daemon.dockerOk("rmi", name);
    // A build sends the credentials of every registry along.
    const build = () => daemon.docker(["build", "-q", "-"], { input: `FROM ${name}\nLABEL built=yes\n`, env: { DOCKER_BUILDKIT: "0" } });
    expect(await build()).toMatchObject({ code: 0, stdout: expect.stringMatching(/^sha256:[0-9a-f]{64}$/m) as string });
    await daemon.dockerOk("image", "prune", "-f");
    await daemon.docker(["rmi", name]);
    await daemon.dockerOk("logout", registry.address);
    expect(await build()).toMatchObject({ code: 1, stderr: expect.stringMatching(/no basic auth credentials/) as string });
    const after = await daemon.docker(["pull", name]);
    expect([after.code, after.stderr]).toEqual([1, expect.stringMatching(/no basic auth credentials/)]);
    // As scripts send it: with the request, and the older form of it.
    for (const auth of [{ username: "me", password: "secret" }, { auth: Buffer.from("me:secret").toString("base64") }]) {
      const header = Buffer.from(JSON.stringify(auth)).toString("base64");
      const { text } = await daemon.api("POST", "/images/create", { query: { fromImage: registry.name("team/private"), tag: "1" }, headers: { "X-Registry-Auth": header } });
      expect(text).toContain(`for ${name}`);
      await daemon.dockerOk("rmi", name);
    }
    expect((await daemon.api("POST", "/auth", { json: { username: "me", password: "no", serveraddress: registry.address } })).status).toBe(401);
  }, 60_000);
});

describe("a registry with a token server", () => {
  let registry: Registry, proxy: FaultyRegistry, tokens: Background;
  beforeAll(async () => {
    const [key, certificate] = [bed.path("token.key"), bed.path("token.crt")];
    await ok("openssl", ["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=tokens", "-days", "2", "-keyout", key, "-out", certificate]);
    tokens = bed.netns.start(process.execPath, [resolve(__dirname, "../helpers/token-server.js"), "5200", key, certificate]);
    await tokens.waitFor(/^ready$/m);
    registry = await bed.registry([`auth: { token: { realm: "http://127.0.0.1:5200/token", service: here, issuer: tokens, rootcertbundle: ${certificate} } }`]);
    proxy = await FaultyRegistry.start(bed.netns, registry.address, 5201);
  }, 60_000);
  afterAll(async () => {
    await proxy.stop();
    tokens.kill("SIGTERM");
    await tokens.exit;
  });

  it("gives what the scopes allow; a login keeps a token, not the password; a token that ends in the middle is renewed", async () => {
    const name = proxy.name("public/app:1");
    const denied = await push(name);
    expect([denied.code, denied.stderr]).toEqual([1, expect.stringMatching(/denied|unauthorized/)]);
    const wrong = await login(proxy.address, "wrong");
    expect([wrong.code, wrong.stderr]).toEqual([1, expect.stringMatching(/unauthorized: incorrect username or password/)]);
    expect((await login(proxy.address, "secret")).code).toBe(0);
    expect(await push(name)).toMatchObject({ code: 0 });
    expect(tokens.output).toMatch(/^POST 200 me .*repository:public\/app:pull,push/m);
    await push(proxy.name("team/private:1"));
    await daemon.dockerOk("logout", proxy.address);
    // Without a login: what is public, and nothing else.
    const challenge = { "WWW-Authenticate": "Bearer realm=\"http://127.0.0.1:5200/token\",service=\"here\",error=\"invalid_token\"" };
    await proxy.faults({ on: "GET .*/blobs/", kind: "status", status: 401, headers: challenge, times: 1 });
    const asked = tokens.output.length;
    await other.dockerOk("pull", "-q", name);
    expect(tokens.output.slice(asked).match(/repository:public\/app:pull$/gm)).toHaveLength(2);
    const refused = await other.docker(["pull", proxy.name("team/private:1")]);
    expect([refused.code, refused.stderr]).toEqual([1, expect.stringMatching(/pull access denied for .*, repository does not exist or may require 'docker login': unauthorized/)]);
  }, 60_000);
});

describe("search", () => {
  let registry: Registry, proxy: FaultyRegistry;
  beforeAll(async () => {
    registry = await bed.registry();
    proxy = await FaultyRegistry.start(bed.netns, registry.address, 5202);
  }, 60_000);
  afterAll(() => proxy.stop());
  const strata = async (...args: string[]): Promise<string> => (await ok(process.execPath, [resolve(__dirname, "../../../packages/cli/bin/strata.js"), ...args], { env: daemon.env() }));
  const both = async (...args: string[]): Promise<string> => {
    const theirs = await daemon.dockerOk(...args);
    expect(await strata(...args)).toBe(theirs);
    return theirs;
  };
  it("asks a registry's search, and looks through the catalog of one that has none", async () => {
    const result = (name: string, star_count: number, is_official: boolean): object => ({ name, star_count, is_official, is_automated: false, description: `What ${name} is, in\nmany words that nobody wants to read to their end` });
    const found = [result("redis", 9000, true), result("team/redis", 12, false), result("odd/redis", 0, false)];
    const answer = { on: "GET /v1/search", kind: "status", status: 200, headers: { "Content-Type": "application/json" }, body: JSON.stringify({ query: "redis", num_results: 3, results: found }) } as const;
    await proxy.faults(answer);
    const term = proxy.name("redis");
    expect((await both("search", term)).split("\n").map((line) => line.split(/ {3,}/))).toEqual([
      ["NAME", "DESCRIPTION", "STARS", "OFFICIAL"],
      [term, expect.stringMatching(/^What redis is, in many words that nobody wan…$/), "9000", "[OK]"],
      [proxy.name("team/redis"), expect.stringMatching(/^What .*…$/), "12", ""], [proxy.name("odd/redis"), expect.stringMatching(/^What .*…$/), "0", ""],
    ]);
    expect(await both("search", "--format", "{{.Name}}", "-f", "stars=10", "-f", "is-official=false", term)).toBe(proxy.name("team/redis"));
    expect(await both("search", "--format", "{{.StarCount}} {{.IsOfficial}}", "--limit", "1", term)).toBe("9000 [OK]");
    expect(JSON.parse((await both("search", "--no-trunc", "--format", "json", "--filter", "is-official=true", term)))).toMatchObject({ Name: term, IsOfficial: "true" });
    expect((await proxy.exchanges()).map((e) => e.path)).toEqual(expect.arrayContaining(["/v1/search?q=redis&n=25", "/v1/search?q=redis&n=1"]));

    // What it says of those who may not is told; where it has no search, its catalog is read, page by page.
    await proxy.faults({ ...answer, status: 429, headers: { "Retry-After": "0" }, body: "" });
    expect((await daemon.docker(["search", term])).stderr).toMatch(/toomanyrequests/);
    await proxy.faults();
    for (const path of ["team/redis", "team/ready", "redis"]) expect(await push(registry.name(`${path}:1`))).toMatchObject({ code: 0 });
    expect((await both("search", "--format", "{{.Name}}", term)).split("\n")).toEqual([term, proxy.name("team/redis")]);
    expect(await both("search", "--format", "{{.Name}}", "--limit", "1", term)).toBe(term);
  }, 90_000);
});

describe("mirrors", () => {
  it("of any registry are asked first; what one lacks or breaks comes from the next, or from the registry itself", async () => {
    const [registry, mirror] = [await bed.registry(), await bed.registry()];
    const proxy = await FaultyRegistry.start(bed.netns, mirror.address, 5300);
    for (const name of [mirror.name("library/hub:1"), mirror.name("team/both:1"), registry.name("team/both:1"), registry.name("team/own:1")]) expect(await push(name)).toMatchObject({ code: 0 });
    const mirrored = await bed.daemon({
      storageDriver: "overlay2",
      flags: ["--registry-mirror", `http://${proxy.address}`, "--registry-mirror", `quay.test=http://127.0.0.1:9`, "--registry-mirror", `quay.test=http://${proxy.address}`, "--registry-mirror", `${registry.address}=http://${proxy.address}`],
    });
    await proxy.faults();
    expect(await mirrored.dockerOk("pull", "hub:1")).toContain("Downloaded newer image for hub:1");
    expect(await mirrored.dockerOk("pull", "quay.test/team/both:1")).toContain("Downloaded newer image for quay.test/team/both:1");
    expect(await mirrored.dockerOk("pull", registry.name("team/own:1"))).toContain(`for ${registry.name("team/own:1")}`);
    expect(await mirrored.dockerOk("info", "-f", "{{json .RegistryConfig.Mirrors}}")).toBe(`["http://${proxy.address}"]`);
    expect((await proxy.exchanges()).map((e) => `${e.status} ${e.path}`)).toEqual(expect.arrayContaining([`200 /v2/library/hub/manifests/1`, `404 /v2/team/own/manifests/1`, `200 /v2/team/both/manifests/1`]));
    await mirrored.dockerOk("rmi", "hub:1", "quay.test/team/both:1", registry.name("team/own:1"));
    await proxy.faults({ on: "GET .*/blobs/", kind: "flip", at: 10 });
    await mirrored.dockerOk("pull", "-q", registry.name("team/both:1"));
    await proxy.stop();
    await mirrored.dockerOk("rmi", registry.name("team/both:1"));
    await mirrored.dockerOk("pull", "-q", registry.name("team/both:1"));
    const { code, stderr } = await bed.netns.run(process.execPath, [resolve(__dirname, "../../../packages/daemon/bin/stratad.js"), "--validate", "--registry-mirror", "quay.io=ftp://x"]);
    expect([code, stderr]).toEqual([1, expect.stringMatching(/invalid mirror: unsupported scheme in "ftp:\/\/x"/)]);
  }, 90_000);
});
