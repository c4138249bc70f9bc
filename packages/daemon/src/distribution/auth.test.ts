import { execFileSync } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdir, mkdtemp, readFile, rm } from "node:fs/promises";
import * as http from "node:http";
import * as https from "node:https";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { systemClock } from "../core/index.js";
import { parseChallenges } from "./auth.js";
import { RegistryClient } from "./client.js";
import { Connection } from "./connection.js";
import { Endpoints } from "./endpoints.js";
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
    await expect(repository.manifest("1")).rejects.toMatchObject({ code: "Unauthenticated" });
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
    run("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "1", "-subj", "/CN=strata test", "-addext", "subjectAltName=DNS:localhost", "-keyout", "s.key", "-out", "s.crt");
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
  test("a loopback registry needs no authority", async () => {
    const client = new RegistryClient();
    expect(await client.repository({ domain: host, path: "x" }).tags()).toEqual(["nobody"]);
    client.close();
  });
});
