import { NotFound } from "../core/index.js";
import { metricsServer } from "./metrics.js";
import { listening } from "./listen.js";
import { TestApi } from "./testing/fake.js";

test("whoever counts hears of each answer once, with the operation that it was", async () => {
  const heard: string[] = [];
  const api = new TestApi({
    images: { inspect: () => { throw new NotFound("No such image: x"); } }, system: { events: () => (async function* () { yield { type: "image", action: "pull", id: "", attributes: {}, time: 0 } as const; })() },
  }, ({ operation, method, code, seconds }) => { heard.push(`${operation} ${method} ${code} ${seconds >= 0}`); });
  await api.start();
  try {
    await api.call("GET", "/v1.40/version");
    await api.call("HEAD", "/_ping");
    await api.call("GET", "/images/x/json");
    await api.call("GET", "/nowhere");
    await api.call("GET", "/events");
    await api.call("GET", "/v1.99/version");
  } finally {
    await api.stop();
  }
  expect(heard).toEqual(["version GET 200 true", "pingHead HEAD 200 true", "imageInspect GET 404 true", "none GET 404 true", "events GET 200 true", "none GET 400 true"]);
});

test("the server of metrics answers for its one path, and tells what went wrong", async () => {
  let broken = false;
  const server = metricsServer("text/plain; version=0.0.4", () => (broken ? Promise.reject(new Error("no figures")) : Promise.resolve("a 1\n")));
  await listening(server, { host: "127.0.0.1", port: 0 }, "metrics-addr");
  const { port } = server.address() as { port: number }, at = `http://127.0.0.1:${port}`;
  try {
    const answer = await fetch(`${at}/metrics?x=1`);
    expect([answer.status, answer.headers.get("content-type"), await answer.text()]).toEqual([200, "text/plain; version=0.0.4", "a 1\n"]);
    const head = await fetch(`${at}/metrics`, { method: "HEAD" });
    expect([head.status, head.headers.get("content-length"), await head.text()]).toEqual([200, "4", ""]);
    for (const [path, method, status] of [["/", "GET", 404], ["/metrics/x", "GET", 404], ["/metrics", "POST", 400]] as const) expect((await fetch(`${at}${path}`, { method })).status).toBe(status);
    broken = true;
    const failed = await fetch(`${at}/metrics`);
    expect([failed.status, await failed.json()]).toEqual([500, { message: "no figures" }]);
  } finally {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  }
});
