// node testcontainers-program.js: what a suite that uses testcontainers does. It prints what it saw and ends without tidying up: that is for the reaper.
import { request } from "node:http";
import { type Readable } from "node:stream";
import { GenericContainer, Network, Wait } from "testcontainers";

const text = async (stream: NodeJS.ReadableStream): Promise<string> => {
  const parts: Buffer[] = [];
  for await (const part of stream) parts.push(Buffer.from(part));
  return Buffer.concat(parts).toString("latin1");
};
const get = (port: number): Promise<string> =>
  new Promise((resolve, reject) => { request({ host: "localhost", port, path: "/" }, (response) => { text(response).then(resolve, reject); }).on("error", reject).end(); });
/** Lines of a container's log until one is there. */
async function untilLine(stream: Readable, wanted: string): Promise<string[]> {
  let all = "";
  for await (const part of stream) if ((all += String(part)).includes(wanted)) break;
  return all.split("\n").filter(Boolean);
}

async function main(): Promise<unknown> {
  const network = await new Network().start();
  const server = await new GenericContainer("busybox")
    .withNetwork(network).withNetworkAliases("website").withExposedPorts(80, 81).withEnvironment({ PLACE: "/www" }).withLabels({ made: "here" })
    .withCopyContentToContainer([{ content: "copied before the start", target: "/www/index.html", mode: 0o640 }])
    .withHealthCheck({ test: ["CMD-SHELL", "test -e /www/index.html"], interval: 200, timeout: 20_000, retries: 10, startPeriod: 1000 })
    .withCommand(["sh", "-c", "echo serving $PLACE; httpd -p 81 -h $PLACE; exec httpd -f -p 80 -h $PLACE"])
    .withWaitStrategy(Wait.forAll([Wait.forListeningPorts(), Wait.forLogMessage(/serving \/www/), Wait.forHttp("/", 80).forStatusCode(200), Wait.forHealthCheck()]))
    .start();
  const ports = [server.getMappedPort(80), server.getMappedPort(81)];
  const pages = await Promise.all(ports.map(get));
  const mode = await server.exec(["stat", "-c", "%a", "/www/index.html"]);
  const exec = await server.exec(["sh", "-c", "echo $WHO in $PWD; echo to stderr >&2; exit 5"], { env: { WHO: "me" }, workingDir: "/www" });
  await server.copyContentToContainer([{ content: "copied later", target: "/www/later" }]);
  await server.copyFilesToContainer([{ source: __filename, target: "/www/program.js" }]);
  const archive = await text(await server.copyArchiveFromContainer("/www/later"));
  const logs = await untilLine(await server.logs(), "serving");

  const client = await new GenericContainer("busybox").withNetwork(network).withCommand(["sh", "-c", "wget -q -O - http://website/later; echo; exec sleep 1000"])
    .withWaitStrategy(Wait.forLogMessage("copied later")).start();
  const once = await new GenericContainer("busybox").withCommand(["true"]).withWaitStrategy(Wait.forOneShotStartup()).start();
  const image = await server.commit({ repo: "made-by-testcontainers", tag: "1", deleteOnExit: true });
  await server.restart({ timeout: 0 });
  const afterRestart = await get(server.getMappedPort(80));
  const gone = await new GenericContainer("busybox").withCommand(["sleep", "1000"]).start();
  await gone.stop({ timeout: 0 });
  return {
    ports, pages, mode: mode.output.trim(), exec, archive: archive.includes("copied later"), logs, afterRestart, image,
    address: server.getIpAddress(network.getName()), ids: { server: server.getId(), client: client.getId(), once: once.getId(), gone: gone.getId() }, network: network.getId(), labels: server.getLabels(),
  };
}

// A log that is followed does not keep a program running by itself.
setInterval(() => undefined, 1000);
main().then((seen) => { process.stdout.write(`${JSON.stringify(seen)}\n`, () => process.exit(0)); }, (error: unknown) => {
  console.error(error);
  process.exit(1);
});
