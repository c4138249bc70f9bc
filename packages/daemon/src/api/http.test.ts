import { Conflict, InvalidArgument, NotFound, NotModified, Unauthenticated, type ImageSummary } from "../core/index.js";
import type { CreateContainer } from "../services/types.js";
import type { ImageId } from "@strata/oci";
import { TestApi, type Fakes } from "./testing/fake.js";

let api: TestApi | undefined;
async function serve(fakes: Fakes = {}): Promise<TestApi> {
  api = new TestApi(fakes);
  await api.start();
  return api;
}
afterEach(async () => {
  await api?.stop();
  api = undefined;
});

describe("versions", () => {
  test("ping, with and without a prefix, GET and HEAD", async () => {
    const a = await serve();
    for (const path of ["/_ping", "/v1.22/_ping", "/v1.24/_ping", "/v1.51/_ping"]) {
      for (const method of ["GET", "HEAD"]) {
        const { status, text, headers } = await a.call(method, path);
        expect({ status, text }).toEqual({ status: 200, text: method === "GET" ? "OK" : "" });
        expect(headers).toMatchObject({ "api-version": "1.51", ostype: "linux", "docker-experimental": "false", "builder-version": "1", swarm: "inactive", server: "Strata/0 (linux)", pragma: "no-cache" });
        expect(headers["cache-control"]).toContain("no-cache");
      }
    }
  });
  test.each([
    ["/v1.99/_ping", "client version 1.99 is too new. Maximum supported API version is 1.51"],
    ["/v2.0/_ping", "client version 2.0 is too new. Maximum supported API version is 1.51"],
    ["/v1.12/_ping", "client version 1.12 is too old. Minimum supported API version is 1.24, please upgrade your client to a newer version"],
  ])("%s", async (path, message) => {
    const a = await serve();
    expect(await a.call("GET", path)).toMatchObject({ status: 400, json: { message }, headers: { "api-version": "1.51" } });
  });
  test.each(["/nothing", "/v1.44/nothing", "/vx/_ping", "/images/a/b", "/"])("%s is not found", async (path) => {
    const a = await serve();
    expect(await a.call("GET", path)).toMatchObject({ status: 404, json: { message: "page not found" } });
  });
  test.each([
    ["GET", "/swarm", 503, "This node is not a swarm manager"], ["POST", "/v1.44/services/create", 503, "This node is not a swarm manager"], ["GET", "/nodes", 503, "This node is not a swarm manager"],
    ["POST", "/swarm/leave", 503, "This node is not part of a swarm"], ["POST", "/swarm/init", 501, "swarm mode is not supported"], ["POST", "/v1.51/swarm/join", 501, "swarm mode is not supported"],
  ])("%s %s: what one says that is in no swarm", async (method, path, status, message) => {
    const a = await serve();
    expect(await a.call(method, path, { body: "{}" })).toMatchObject({ status, json: { message: expect.stringContaining(message) } });
  });
  test("a known path with another method is not found", async () => {
    const a = await serve();
    expect((await a.call("POST", "/info")).json).toEqual({ message: "page not found" });
  });
  test("version names the engine and its parts", async () => {
    const a = await serve();
    const { json } = await a.call("GET", "/v1.40/version");
    expect(json).toMatchObject({ ApiVersion: "1.51", MinAPIVersion: "1.24", Platform: { Name: "Strata 0" }, Components: [{ Name: "Engine" }, { Name: "runc", Version: "1.1" }] });
  });
});

const summary: ImageSummary = {
  id: "sha256:1" as ImageId, parent: null, size: 5, tags: ["docker.io/library/busybox:latest", "docker.io/u/x:1", "127.0.0.1:5000/a/b:tag"], digests: [], storedAt: 0, lastUsedAt: 0,
  lastTaggedAt: null, createdAt: 1_700_000_000_500, labels: {}, containers: 2, sharedSize: 3,
};

describe("images", () => {
  test("list has the shape of the version asked for", async () => {
    const a = await serve({ images: { list: async () => [summary, { ...summary, tags: [] }] } });
    const newest = (await a.call("GET", "/images/json")).json;
    expect(newest[0]).toEqual({
      Containers: -1, Created: 1_700_000_000, Id: "sha256:1", Labels: null, ParentId: "", RepoDigests: [], RepoTags: ["busybox:latest", "u/x:1", "127.0.0.1:5000/a/b:tag"], SharedSize: -1, Size: 5,
    });
    const old = (await a.call("GET", "/v1.40/images/json?shared-size=1")).json;
    expect(old[0]).toMatchObject({ VirtualSize: 5, SharedSize: 3, Containers: 2 });
    expect(old[1]).toMatchObject({ RepoTags: ["<none>:<none>"], RepoDigests: ["<none>@<none>"] });
  });
  test("an empty list is []", async () => {
    const a = await serve({ images: { list: async () => [] } });
    expect((await a.call("GET", "/images/json")).text).toBe("[]\n");
  });
  test.each([
    ["GET", "/v1.44/images/docker.io/library/x:1/history", "docker.io/library/x:1"],
    ["GET", "/images/127.0.0.1:5000/a/b:tag/history", "127.0.0.1:5000/a/b:tag"],
    ["GET", "/images/127.0.0.1:5000%2Fa%2Fb@sha256:ff/history", "127.0.0.1:5000/a/b@sha256:ff"],
    ["GET", "/images/json/history", "json"],
  ])("%s %s", async (method, path, name) => {
    const asked: string[] = [];
    const a = await serve({ images: { history: (n) => { asked.push(n); return []; } } });
    expect((await a.call(method, path)).status).toBe(200);
    expect(asked).toEqual([name]);
  });
  test("delete takes the rest of the path as name", async () => {
    const asked: unknown[] = [];
    const a = await serve({ images: { remove: async (name, options) => { asked.push([name, options]); return [{ untagged: "docker.io/library/x:1" }, { deleted: "sha256:9" }]; } } });
    const { json } = await a.call("DELETE", "/v1.51/images/h:5/a/json?force=1&noprune=true");
    expect(json).toEqual([{ Untagged: "x:1" }, { Deleted: "sha256:9" }]);
    expect(asked).toEqual([["h:5/a/json", { force: true, prune: false }]]);
  });
  test("filters in both forms", async () => {
    const asked: unknown[] = [];
    const a = await serve({ images: { list: async (o) => { asked.push([...o.filters]); return []; } } });
    await a.call("GET", `/images/json?filters=${encodeURIComponent('{"label":["a=b"]}')}`);
    await a.call("GET", `/images/json?filters=${encodeURIComponent('{"label":{"a=b":true}}')}`);
    expect(asked).toEqual([[["label", ["a=b"]]], [["label", ["a=b"]]]]);
    expect(await a.call("GET", "/images/json?filters=x")).toMatchObject({ status: 400, json: { message: expect.stringContaining("invalid filters") } });
  });
  test("pull: an error before the first line is a status", async () => {
    const a = await serve({ images: { pull: () => Promise.reject(new NotFound("pull access denied")) } });
    expect(await a.call("POST", "/images/create?fromImage=x&tag=1")).toMatchObject({ status: 404, json: { message: "pull access denied" } });
  });
  test("pull: an error after the first line is a line; auth and reference arrive", async () => {
    const asked: unknown[] = [];
    const a = await serve({
      images: {
        pull: (ref, o) => {
          asked.push([ref, o.all, o.auth, o.platform]);
          o.progress({ id: "ab", status: "Downloading", current: 500_000, total: 1_000_000 });
          return Promise.reject(new Error("<broken & gone>"));
        },
      },
    });
    const auth = Buffer.from(JSON.stringify({ username: "u?", password: "p>" })).toString("base64url");
    const { status, text, headers } = await a.call("POST", "/images/create?fromImage=h/x&tag=sha256:aa&platform=linux/arm64", { headers: { "X-Registry-Auth": auth } });
    expect(status).toBe(200);
    expect(headers["content-type"]).toBe("application/json");
    expect(text.trim().split("\r\n").map((l) => JSON.parse(l) as unknown)).toEqual([
      { status: "Downloading", progressDetail: { current: 500_000, total: 1_000_000 }, progress: "[=========================>                         ]    500kB/1MB", id: "ab" },
      { errorDetail: { message: "<broken & gone>" }, error: "<broken & gone>" },
    ]);
    expect(text).toContain("<broken & gone>");
    expect(asked).toEqual([["h/x@sha256:aa", false, { username: "u?", password: "p>" }, { os: "linux", architecture: "arm64", variant: undefined }]]);
  });
  test("import streams the body and answers with the ID", async () => {
    const a = await serve({
      images: {
        import: async (tar, o) => {
          let size = 0;
          for await (const chunk of tar) size += (chunk as Buffer).length;
          return `sha256:${size}-${o.ref}-${o.changes.join("|")}` as ImageId;
        },
      },
    });
    const { text } = await a.call("POST", "/images/create?fromSrc=-&repo=r&tag=t&changes=CMD%20a&changes=ENV%20b=c", { body: "x".repeat(100_000) });
    expect(JSON.parse(text)).toEqual({ status: "sha256:100000-r:t-CMD a|ENV b=c" });
  });
});

describe("uploads", () => {
  test("a refusal in the middle reaches the client that goes on sending", async () => {
    const a = await serve({
      images: {
        async load(archive) {
          await new Promise((resolve) => archive.once("data", resolve));
          archive.destroy();
          throw new InvalidArgument("not an archive");
        },
      },
    });
    expect(await a.call("POST", "/images/load", { body: "x".repeat(8 << 20) })).toMatchObject({ status: 200, json: { errorDetail: { message: "not an archive" }, error: "not an archive" } });
  });
  test("a client that leaves in the middle makes the upload fail", async () => {
    let tell: ((outcome: string) => void) | undefined, begun: (() => void) | undefined;
    const outcome = new Promise<string>((resolve) => (tell = resolve)), started = new Promise<void>((resolve) => (begun = resolve));
    const a = await serve({
      images: {
        async load(archive) {
          archive.once("data", () => begun!());
          archive.on("end", () => tell!("ended")).on("error", (e) => tell!(e.message));
          return await new Promise(() => undefined);
        },
      },
    });
    const client = await a.raw();
    client.socket.write("POST /images/load HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\nsome");
    await started;
    client.socket.destroy();
    expect(await outcome).toBe("the client left in the middle of its upload");
  });
});

describe("errors", () => {
  test.each([
    ["NotFound", new NotFound("No such image: x"), 404], ["Conflict", new Conflict("in use"), 409], ["Unauthenticated", new Unauthenticated("who"), 401], ["anything else", new Error("oops"), 500],
  ])("%s", async (_name, error, status) => {
    const a = await serve({ images: { inspect: () => { throw error; } } });
    expect(await a.call("GET", "/images/x/json")).toMatchObject({ status, json: { message: error.message } });
  });
  test("not modified has no body", async () => {
    const a = await serve({ containers: { start: () => Promise.reject(new NotModified("it runs")) } });
    expect(await a.call("POST", "/containers/x/start")).toMatchObject({ status: 304, text: "" });
  });
});

describe("bodies", () => {
  const creator = () => {
    const asked: CreateContainer[] = [];
    return { asked, fakes: { containers: { create: async (spec: CreateContainer) => { asked.push(spec); return { id: "id" as never, warnings: [] }; } } } };
  };
  test("unknown members go, null is not given, names match in any case, any content type is JSON", async () => {
    const { asked, fakes } = creator();
    const a = await serve(fakes);
    const body = JSON.stringify({
      image: "x", Cmd: "ls", Entrypoint: null, Env: null, Nonsense: 1, ExposedPorts: { "80/tcp": null }, Labels: { a: null }, Hostname: null, __proto__x: 1,
      HostConfig: { PortBindings: { "80/tcp": null, "81/tcp": [{ HostPort: "1" }] }, Memory: null, RestartPolicy: { Name: "", MaximumRetryCount: 0 }, Mounts: null, Later: [] },
      NetworkingConfig: { EndpointsConfig: { net: null, b: { Aliases: ["q"], IPAddress: "1.2.3.4" } } },
    });
    const { status, json } = await a.call("POST", "/containers/create?name=/n", { body, headers: { "Content-Type": "text/plain" } });
    expect({ status, json }).toEqual({ status: 201, json: { Id: "id", Warnings: [] } });
    expect(asked).toEqual([{
      name: "n", config: { Image: "x", Cmd: ["ls"], ExposedPorts: { "80/tcp": {} }, Labels: { a: "" } },
      hostConfig: { PortBindings: { "80/tcp": null, "81/tcp": [{ HostPort: "1" }] }, RestartPolicy: { Name: "", MaximumRetryCount: 0 } },
      networks: { net: {}, b: { Aliases: ["q"] } },
    }]);
  });
  test.each([
    ["{", /invalid JSON/], ["", /invalid JSON: the request has no body/], ["[]", /the body must be an object, not an array/],
    ['{"HostConfig":{"Memory":"1g"}}', /HostConfig\.Memory must be an integer, not "1g"/],
    ['{"Env":"A=1"}', /Env must be an array, not "A=1"/],
    ['{"Cmd":5}', /Cmd must be an array or a string, not 5/],
    ['{"HostConfig":{"RestartPolicy":{"Name":"sometimes"}}}', /HostConfig\.RestartPolicy\.Name must be one of/],
    ['{"HostConfig":{"PortBindings":{"80/tcp":[{"HostPort":80}]}}}', /HostConfig\.PortBindings\.80\/tcp\[0\]\.HostPort must be a string, not 80/],
  ])("%s is refused", async (body, message) => {
    const { fakes } = creator();
    const a = await serve(fakes);
    const { status, json } = await a.call("POST", "/containers/create", { body });
    expect(status).toBe(400);
    expect(json.message).toMatch(message);
  });
  test("what older versions meant by leaving something out", async () => {
    const { asked, fakes } = creator();
    const a = await serve(fakes);
    await a.call("POST", "/v1.39/containers/create", { body: '{"Image":"x","MacAddress":"02:00:00:00:00:01"}' });
    expect(asked[0]).toMatchObject({ hostConfig: { IpcMode: "shareable", CgroupnsMode: "host" }, networks: { bridge: { MacAddress: "02:00:00:00:00:01" } } });
  });
  test("a missing body is an empty one where all is optional", async () => {
    const a = await serve({ volumes: { create: async (spec) => ({ name: JSON.stringify(spec), driver: "local", anonymous: true, labels: {}, options: {}, createdAt: 0, mountpoint: "/m" }) } });
    expect(await a.call("POST", "/volumes/create")).toMatchObject({ status: 201, json: { Name: "{}", Labels: { "com.docker.volume.anonymous": "" }, Options: null, Scope: "local" } });
  });
  test("a required member", async () => {
    const a = await serve();
    expect(await a.call("POST", "/networks/create", { body: "{}" })).toMatchObject({ status: 400, json: { message: "Name is missing" } });
  });
});

describe("queries", () => {
  test.each([["1", true], ["true", true], ["True", true], ["0", false], ["false", false], ["", false], ["no", false]])("all=%s", async (text, all) => {
    const asked: unknown[] = [];
    const a = await serve({ containers: { list: async (o) => { asked.push([o.all, o.limit]); return []; } } });
    await a.call("GET", `/containers/json?all=${text}&limit=-1`);
    expect(asked).toEqual([[all, 0]]);
  });
  test("numbers and choices are checked", async () => {
    const a = await serve();
    expect((await a.call("POST", "/containers/x/stop?t=soon")).json).toEqual({ message: 'query parameter t must be a whole number, not "soon"' });
    expect((await a.call("POST", "/containers/x/wait?condition=never")).json.message).toMatch(/condition must be one of not-running, next-exit, removed/);
  });
  test("a doubled slash before a container's name", async () => {
    const asked: string[] = [];
    const a = await serve({ containers: { kill: async (name) => void asked.push(name) } });
    expect((await a.call("POST", "/containers//web/kill")).status).toBe(204);
    expect(asked).toEqual(["web"]);
  });
});
