import { execFileSync } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdir, mkdtemp, readFile, rm } from "node:fs/promises";
import * as http from "node:http";
import * as https from "node:https";
import { connect } from "node:net";
import type { AddressInfo, Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { systemClock } from "../core/index.js";
import { parseChallenges } from "./auth.js";
import { RegistryClient } from "./client.js";
import { Connection } from "./connection.js";
import { Endpoints } from "./endpoints.js";
import { Proxies, proxiesOf, shownProxy } from "./proxy.js";
import { Repository } from "./repository.js";
import { FakeRegistry, testImage } from "./testing/registry.js";
import { CertificateStore } from "./tls.js";
import { Transport } from "./transport.js";

describe("WWW-Authenticate", () => {
  test.each<[string | undefined, object[]]>([
    [undefined, []],
    ["Negotiate", []],
    ['Basic realm="a, b"', [{ scheme: "basic", parameters: { realm: "a, b" } }]],
    ['Bearer realm="https://auth.example/token",service="registry.example",scope="repository:a/b:pull"', [{ scheme: "bearer", parameters: { realm: "https://auth.example/token", service: "registry.example", scope: "repository:a/b:pull" } }]],
    ['bearer realm=plain, error="a \\"q\\"", Basic realm=x', [{ scheme: "bearer", parameters: { realm: "plain", error: 'a "q"' } }, { scheme: "basic", parameters: { realm: "x" } }]],
  ])("%s", (header, challenges) => { expect(parseChallenges(header)).toEqual(challenges); });
});

describe("endpoints", () => {
  const endpoints = new Endpoints({ insecure: ["reg.lan:5000", "10.0.0.0/8", "plain.lan"], mirrors: { "docker.io": ["https://mirror.example/", "http://127.0.0.1:5001/prefix/"] } });
  const bases = (domain: string): string[] => endpoints.of(domain).flatMap((e) => e.bases);
  test.each([
    ["quay.io", ["https://quay.io"]],
    ["127.0.0.1:5000", ["https://127.0.0.1:5000", "http://127.0.0.1:5000"]],
    ["127.9.9.9", ["https://127.9.9.9", "http://127.9.9.9"]],
    ["localhost:5000", ["https://localhost:5000", "http://localhost:5000"]],
    ["[::1]:5000", ["https://[::1]:5000", "http://[::1]:5000"]],
    ["reg.lan:5000", ["https://reg.lan:5000", "http://reg.lan:5000"]],
    ["reg.lan:5001", ["https://reg.lan:5001"]],
    ["plain.lan:81", ["https://plain.lan:81", "http://plain.lan:81"]],
    ["10.1.2.3:5000", ["https://10.1.2.3:5000", "http://10.1.2.3:5000"]],
    ["11.1.2.3:5000", ["https://11.1.2.3:5000"]],
    ["docker.io", ["https://mirror.example", "http://127.0.0.1:5001/prefix", "https://registry-1.docker.io"]],
  ])("%s", (domain, expected) => { expect(bases(domain)).toEqual(expected); });
  test.each([
    [{ insecure: ["http://x"] }, /insecure registry http:\/\/x is not valid/],
    [{ insecure: ["10.0.0.0/99"] }, /invalid CIDR/],
    [{ mirrors: { "docker.io": ["mirror.example"] } }, /unsupported scheme/],
    [{ mirrors: { "docker.io": ["ftp://x"] } }, /unsupported scheme/],
    [{ mirrors: { "docker.io": ["https://u:p@x"] } }, /username/],
    [{ mirrors: { "docker.io": ["https://x?y"] } }, /query/],
  ])("refuses %j", (options, message) => { expect(() => new Endpoints(options)).toThrow(message); });
});

describe("proxies", () => {
  const proxies = new Proxies(proxiesOf({ HTTP_PROXY: "plain.proxy:3128", https_proxy: "http://tls.proxy", NO_PROXY: "corp.example,.sub.example, only.example:8080,10.0.0.0/8,192.168.1.1" }));
  test.each([
    ["http://a.example/", "http://plain.proxy:3128/"],
    ["https://a.example/", "http://tls.proxy/"],
    ["https://corp.example/", undefined],
    ["https://x.corp.example/", undefined],
    ["https://notcorp.example/", "http://tls.proxy/"],
    ["https://x.sub.example/", undefined],
    ["https://sub.example/", "http://tls.proxy/"],
    ["http://only.example:8080/", undefined],
    ["http://only.example/", "http://plain.proxy:3128/"],
    ["http://10.1.1.1:5000/", undefined],
    ["http://192.168.1.1/", undefined],
    ["http://192.168.1.2/", "http://plain.proxy:3128/"],
    ["http://127.0.0.1:5000/", undefined],
    ["http://[::1]:5000/", undefined],
    ["http://localhost:5000/", undefined],
  ])("%s through %s", (url, proxy) => { expect(proxies.for(new URL(url))?.href).toBe(proxy); });
  test("all is direct with *, nothing without settings, socks is refused", () => {
    expect(new Proxies({ http: "http://p", none: "*" }).for(new URL("http://x"))).toBeUndefined();
    expect(shownProxy("http://me:secret@p:1")).toBe("http://xxxxx:xxxxx@p:1");
    expect(new Proxies({}).for(new URL("http://x"))).toBeUndefined();
    expect(() => new Proxies({ https: "socks5://me:secret@p" })).toThrow('unsupported proxy "socks5://p": only http:// is');
  });
  test("plain HTTP goes to the proxy as a whole URL", async () => {
    const seen: string[] = [];
    const proxy = http.createServer((request, response) => {
      seen.push(`${request.url} ${request.headers.host}`);
      response.end("{}");
    });
    await new Promise<void>((resolve) => proxy.listen(0, "127.0.0.1", resolve));
    const transport = new Transport(new CertificateStore([]), "test", new Proxies({ http: `http://127.0.0.1:${(proxy.address() as AddressInfo).port}` }));
    try {
      expect((await transport.send({ method: "GET", url: new URL("http://registry.test/v2/?x=1") })).status).toBe(200);
      expect(seen).toEqual(["http://registry.test/v2/?x=1 registry.test"]);
    } finally {
      transport.close();
      proxy.closeAllConnections();
      await new Promise((resolve) => proxy.close(resolve));
    }
  });
});

describe("token server", () => {
  const image = testImage(["x"]);
  let registry: FakeRegistry, tokens: http.Server, client: RegistryClient, realm: string;
  let now = 1_700_000_000_000;
  /** Answers of the token server, by request. */
  const asked: { method: string; query: URLSearchParams; authorization: string | undefined }[] = [];
  let answer: (query: URLSearchParams, authorization: string | undefined) => object | number;
  const valid = new Set<string>();

  beforeEach(async () => {
    registry = new FakeRegistry();
    await registry.start();
    registry.add("app", "1", image);
    asked.length = 0;
    valid.clear();
    answer = () => 401;
    tokens = http.createServer((request, response) => {
      const chunks: Buffer[] = [];
      request.on("data", (c: Buffer) => chunks.push(c)).on("end", () => {
        const query = request.method === "POST" ? new URLSearchParams(Buffer.concat(chunks).toString()) : new URL(request.url!, "http://x").searchParams;
        asked.push({ method: request.method!, query, authorization: request.headers.authorization });
        const given = answer(query, request.headers.authorization);
        if (typeof given === "number") response.writeHead(given, { "Content-Type": "application/json" }).end(JSON.stringify({ errors: [{ code: "UNAUTHORIZED", message: "incorrect username or password" }] }));
        else response.writeHead(200, { "Content-Type": "application/json" }).end(JSON.stringify(given));
      });
    });
    await new Promise<void>((resolve) => tokens.listen(0, "127.0.0.1", resolve));
    realm = `http://127.0.0.1:${(tokens.address() as AddressInfo).port}/token`;
    registry.intercept = (request, response) => {
      if (valid.has(request.headers.authorization?.replace(/^Bearer /, "") ?? "")) return false;
      response.writeHead(401, { "WWW-Authenticate": `Bearer realm="${realm}",service="fake"` }).end();
      return true;
    };
    client = new RegistryClient({ retry: { attempts: 2, baseMs: 1, maxMs: 5 }, clock: { now: () => now } });
  });
  afterEach(async () => {
    client.close();
    await registry.stop();
    tokens.closeAllConnections();
    await new Promise((resolve) => tokens.close(resolve));
  });
  const give = (token: string, more: object = {}) => (): object => {
    valid.add(token);
    return { token, ...more };
  };
  const at = (credentials = {}) => client.repository({ domain: registry.host, path: "app" }, credentials);

  test("anonymous: one token per scope, kept until it expires", async () => {
    answer = give("t1", { expires_in: 300 });
    const repository = at();
    await repository.manifest("1");
    await repository.manifest("1");
    expect(asked.map((a) => [a.method, a.query.toString(), a.authorization])).toEqual([["GET", "service=fake&scope=repository%3Aapp%3Apull", undefined]]);
    now += 400_000;
    answer = give("t2");
    await repository.manifest("1");
    expect(asked).toHaveLength(2);
    await repository.hasBlob(image.manifestDigest);
    expect(asked[2]!.query.get("scope")).toBe("repository:app:pull,push");
  });
  test("a token that is refused is asked for anew, once", async () => {
    answer = give("t1");
    const repository = at();
    await repository.manifest("1");
    valid.delete("t1");
    answer = give("t2");
    await repository.manifest("1");
    valid.delete("t2");
    answer = () => ({ access_token: "never-good" });
    await expect(repository.manifest("1")).rejects.toMatchObject({ code: "PermissionDenied" });
  });
  test("with a password, with an identity token, with a token of one's own", async () => {
    answer = give("t");
    await at({ username: "me", password: "secret" }).manifest("1");
    expect(asked[0]).toMatchObject({ method: "GET", authorization: `Basic ${Buffer.from("me:secret").toString("base64")}` });
    expect(asked[0]!.query.get("account")).toBe("me");
    await at({ username: "me", identityToken: "refresh" }).manifest("1");
    expect(asked[1]).toMatchObject({ method: "POST", authorization: undefined });
    expect(Object.fromEntries(asked[1]!.query)).toEqual({ service: "fake", scope: "repository:app:pull", grant_type: "refresh_token", refresh_token: "refresh", client_id: "strata" });
    valid.add("mine");
    await at({ registryToken: "mine" }).manifest("1");
    expect(asked).toHaveLength(2);
  });
  test("login gives what to keep, or says no", async () => {
    answer = give("t", { refresh_token: "keep-me" });
    expect(await client.login(registry.host, { username: "me", password: "secret" })).toEqual({ identityToken: "keep-me" });
    expect(asked[0]!.query.get("offline_token")).toBe("true");
    answer = () => 401;
    await expect(client.login(registry.host, { username: "me", password: "wrong" })).rejects.toMatchObject({ code: "Unauthenticated", message: `Get "http://${registry.host}/v2/": unauthorized: incorrect username or password` });
  });
});

test("login by Basic", async () => {
  const registry = new FakeRegistry();
  await registry.start();
  const client = new RegistryClient({ retry: { attempts: 1, baseMs: 1, maxMs: 5 } });
  try {
    registry.intercept = (request, response) => {
      if (request.headers.authorization === `Basic ${Buffer.from("me:secret").toString("base64")}`) return false;
      response.writeHead(401, { "WWW-Authenticate": 'Basic realm="r"' }).end();
      return true;
    };
    expect(await client.login(registry.host, { username: "me", password: "secret" })).toEqual({ identityToken: "" });
    await expect(client.login(registry.host, { username: "me", password: "no" })).rejects.toMatchObject({ code: "Unauthenticated", message: expect.stringContaining("unauthorized: authentication required") as string });
    await expect(client.repository({ domain: registry.host, path: "x" }).tags()).rejects.toMatchObject({ code: "PermissionDenied", message: `Get "http://${registry.host}/v2/x/tags/list": no basic auth credentials` });
  } finally {
    client.close();
    await registry.stop();
  }
});

const openssl = existsSync("/usr/bin/openssl");
(openssl ? describe : describe.skip)(`TLS${openssl ? "" : " (skipped: openssl is not installed)"}`, () => {
  let directory: string, server: https.Server, host: string;
  let transport: Transport | undefined;
  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), "strata-tls-"));
    const run = (...args: string[]): Buffer => execFileSync("openssl", args, { cwd: directory, stdio: ["ignore", "pipe", "ignore"] });
    run("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "1", "-subj", "/CN=strata test", "-addext", "subjectAltName=DNS:localhost,DNS:registry.test", "-keyout", "s.key", "-out", "s.crt");
    server = https.createServer({ key: await readFile(join(directory, "s.key")), cert: await readFile(join(directory, "s.crt")), ca: await readFile(join(directory, "s.crt")), requestCert: true, rejectUnauthorized: false }, (_, response) => {
      response.end(JSON.stringify({ tags: [shown] }));
    });
    let shown = "nobody";
    server.on("secureConnection", (socket) => {
      const { subject } = socket.getPeerCertificate() as { subject?: { CN: string } };
      shown = subject?.CN ?? "nobody";
    });
    await new Promise<void>((resolve) => server.listen(0, "localhost", resolve));
    host = `localhost:${(server.address() as AddressInfo).port}`;
  });
  afterEach(async () => {
    transport?.close();
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
    await rm(directory, { recursive: true, force: true });
  });
  /** As for a registry that is not on this machine: loopback ones need no authority. */
  const secure = async (): Promise<string[]> => {
    transport?.close();
    transport = new Transport(new CertificateStore([join(directory, "none"), join(directory, "certs.d")]), "test");
    const endpoint = { host, bases: [`https://${host}`], mirror: false, unverified: false };
    return await new Repository({ domain: host, path: "x" }, [new Connection(endpoint, transport, {}, { attempts: 1, baseMs: 1, maxMs: 5 }, systemClock)]).tags();
  };

  test("an unknown authority is refused; one in certs.d is not, and the client's certificate is shown", async () => {
    await expect(secure()).rejects.toMatchObject({ code: "Unavailable", message: expect.stringContaining("x509: certificate signed by unknown authority") as string });
    const certs = join(directory, "certs.d", host);
    await mkdir(certs, { recursive: true });
    const copy = async (from: string, to: string): Promise<void> => void execFileSync("cp", [join(directory, from), join(certs, to)]);
    await copy("s.crt", "ca.crt");
    expect(await secure()).toEqual(["nobody"]);
    await copy("s.crt", "client.cert");
    await expect(secure()).rejects.toThrow(/missing key client.key for client certificate client.cert/);
    await copy("s.key", "client.key");
    expect(await secure()).toEqual(["strata test"]);
  });
  test("through a proxy's tunnel, with the proxy's own credentials", async () => {
    const asked: string[] = [];
    const proxy = http.createServer();
    proxy.on("connect", (request, client: Socket) => {
      asked.push(`${request.url} ${request.headers["proxy-authorization"]}`);
      if (request.url === "refused.test:443") return void client.end("HTTP/1.1 403 Forbidden\r\n\r\n");
      const upstream = connect((server.address() as AddressInfo).port, "localhost", () => {
        client.write("HTTP/1.1 200 OK\r\n\r\n");
        upstream.pipe(client).pipe(upstream);
      });
      for (const s of [client, upstream]) s.on("error", () => client.destroy());
    });
    await new Promise<void>((resolve) => proxy.listen(0, "127.0.0.1", resolve));
    const certs = join(directory, "certs.d", "registry.test");
    await mkdir(certs, { recursive: true });
    execFileSync("cp", [join(directory, "s.crt"), join(certs, "ca.crt")]);
    const client = new RegistryClient({
      proxies: { https: `http://u:p@127.0.0.1:${(proxy.address() as AddressInfo).port}`, none: "direct.test" }, certificateDirectories: [join(directory, "certs.d")], retry: { attempts: 1, baseMs: 1, maxMs: 5 },
    });
    try {
      expect(await client.repository({ domain: "registry.test", path: "x" }).tags()).toEqual(["nobody"]);
      await expect(client.repository({ domain: "refused.test", path: "x" }).tags()).rejects.toThrow(/Get "https:\/\/refused.test\/v2\/": proxyconnect tcp: .* answered 403 Forbidden/);
      expect(asked).toEqual(["registry.test:443 Basic dTpw", "refused.test:443 Basic dTpw"]);
    } finally {
      client.close();
      proxy.closeAllConnections();
      await new Promise((resolve) => proxy.close(resolve));
    }
  });
  test("a loopback registry needs no authority", async () => {
    const client = new RegistryClient();
    expect(await client.repository({ domain: host, path: "x" }).tags()).toEqual(["nobody"]);
    client.close();
  });
});
