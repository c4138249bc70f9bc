/**
 * A token server as the distribution project's documents have it: `node token-server.js PORT KEY CERTIFICATE`. It knows `me` with the password
 * `secret`, who may do everything; others may pull from `public/`. Prints a line for each answer.
 */
import { X509Certificate, createSign, randomUUID } from "node:crypto";
import { readFileSync } from "node:fs";
import { createServer } from "node:http";

const [port, keyFile, certificateFile] = process.argv.slice(2) as [string, string, string];
const key = readFileSync(keyFile);
const x5c = [new X509Certificate(readFileSync(certificateFile)).raw.toString("base64")];
const encode = (value: object): string => Buffer.from(JSON.stringify(value)).toString("base64url");

function tokenFor(subject: string, service: string, scopes: readonly string[]): string {
  const now = Math.floor(Date.now() / 1000);
  const access = scopes.map((scope) => /^(\w+):(.+):([^:]*)$/.exec(scope)).filter((m) => m !== null).map(([, type, name, actions]) => ({
    type, name, actions: actions!.split(",").filter((a) => subject === "me" || (a === "pull" && name!.startsWith("public/"))),
  }));
  const text = `${encode({ typ: "JWT", alg: "RS256", x5c })}.${encode({ iss: "tokens", sub: subject, aud: service, exp: now + 300, nbf: now - 10, iat: now, jti: randomUUID(), access })}`;
  return `${text}.${createSign("RSA-SHA256").update(text).sign(key, "base64url")}`;
}

createServer((request, response) => {
  const body: Buffer[] = [];
  request.on("data", (chunk: Buffer) => body.push(chunk)).on("end", () => {
    const form = new URLSearchParams(Buffer.concat(body).toString());
    const query = request.method === "POST" ? form : new URL(request.url ?? "/", "http://x").searchParams;
    const [name = "", password] = Buffer.from((request.headers.authorization ?? "").replace(/^Basic /, ""), "base64").toString().split(":");
    const refreshed = query.get("grant_type") === "refresh_token";
    const known = refreshed ? query.get("refresh_token") === "refresh-me" : name === "me" && password === "secret";
    const refused = refreshed ? !known : name !== "" && !known;
    const scopes = (refreshed ? (query.get("scope") ?? "").split(" ") : query.getAll("scope")).filter(Boolean);
    console.log(`${request.method} ${refused ? 401 : 200} ${known ? "me" : "nobody"} ${scopes.join(" ")}`);
    if (refused) {
      response.writeHead(401, { "Content-Type": "application/json" }).end(JSON.stringify({ errors: [{ code: "UNAUTHORIZED", message: "incorrect username or password" }] }));
      return;
    }
    const token = tokenFor(known ? "me" : "", query.get("service") ?? "", scopes);
    const offline = query.get("offline_token") === "true" && known ? { refresh_token: "refresh-me" } : {};
    response.writeHead(200, { "Content-Type": "application/json" }).end(JSON.stringify({ token, access_token: token, expires_in: 300, ...offline }));
  });
}).listen(Number(port), "127.0.0.1", () => console.log("ready"));
// Not to outlive the test.
process.stdin.resume().on("end", () => process.exit());
