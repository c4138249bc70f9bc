import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import * as https from "node:https";
import type { AddressInfo, Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { connect } from "./index.js";

/** A certificate for 127.0.0.1; undefined where there is no openssl to make one. */
function certificate(): { cert: Buffer; key: Buffer } | undefined {
  const directory = mkdtempSync(join(tmpdir(), "strata-tls-"));
  try {
    const file = (name: string): string => join(directory, name);
    execFileSync("openssl", ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2", "-subj", "/CN=strata", "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", file("key"), "-out", file("cert")], { stdio: "ignore" });
    return { cert: readFileSync(file("cert")), key: readFileSync(file("key")) };
  } catch {
    return undefined;
  } finally {
    rmSync(directory, { recursive: true });
  }
}

const pair = certificate();
(pair ? test : test.skip)("over TLS, calls and sessions (skipped without openssl)", async () => {
  const server = https.createServer({ ...pair, allowHalfOpen: true }, (request, response) => {
    if (request.url === "/_ping") response.writeHead(200, { "Api-Version": "1.51" }).end("OK");
    else response.writeHead(200, { "Content-Type": "application/json" }).end('{"ID":"secure"}');
  });
  const sockets = new Set<Socket>();
  server.on("connection", (socket: Socket) => sockets.add(socket));
  server.on("upgrade", (_request, socket) => {
    socket.on("error", () => undefined);
    socket.write("HTTP/1.1 101 UPGRADED\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n");
    let input = "";
    socket.on("data", (chunk) => { input += String(chunk); });
    socket.on("end", () => { socket.end(`got ${input}`); });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const host = `tcp://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const client = connect({ host, tls: { ca: pair!.cert } });
  try {
    expect((await client.system.info()).ID).toBe("secure");
    const session = await client.containers.attach("c", { stdin: true, tty: true });
    session.stdin.end("secret");
    expect((await session.text()).stdout).toBe("got secret");
    await expect(connect({ host, tls: {} }).system.info()).rejects.toThrow(/self-signed/);
  } finally {
    client.close();
    for (const socket of sockets) socket.destroy();
    await new Promise((resolve) => server.close(resolve));
  }
});
