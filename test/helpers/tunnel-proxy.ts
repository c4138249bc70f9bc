/** An HTTP proxy that opens tunnels, whatever their name, to one place: `node tunnel-proxy.js PORT HOST:PORT`. Prints each that is asked for. */
import { createServer } from "node:http";
import { type Socket, connect } from "node:net";

const [port, to] = process.argv.slice(2) as [string, string];
const [host, upstream] = to.split(":") as [string, string];

createServer().on("connect", (request, client: Socket) => {
  console.log(`CONNECT ${request.url} ${request.headers["proxy-authorization"] ?? "-"}`);
  const further = connect(Number(upstream), host, () => {
    client.write("HTTP/1.1 200 OK\r\n\r\n");
    further.pipe(client).pipe(further);
  });
  for (const end of [client, further]) end.on("error", () => { client.destroy(); further.destroy(); });
}).listen(Number(port), "127.0.0.1", () => console.log("ready"));
// Not to outlive the test.
process.stdin.resume().on("end", () => process.exit());
