import { readFileSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { Compose, type Daemon, type TestBed, daemonNeeds, makeContext, needs, setUp } from "../helpers/index.js";

/** `build:` of docker-compose 1.29, whose client is docker-py. */
const it = needs(...daemonNeeds, "docker", "compose", "curl");
jest.setTimeout(240_000);

let bed: TestBed, daemon: Daemon;
let app: string;
let tool: string;
setUp(async (made) => {
  bed = made;
  daemon = await bed.daemonWithBusybox();
  app = makeContext(bed.folder, {
    "page.html": "<p>first page</p>\n", secret: "s", ".dockerignore": "secret\n", "notes.md": "",
    "Dockerfile.prod": [
      "ARG BASE=nothing", "FROM $BASE AS base", "ARG GREETING=none", "RUN mkdir /www && echo \"$GREETING\" > /www/greeting", "FROM base AS check", "RUN false", "FROM base AS prod", "COPY . /app/", "RUN mv /app/page.html /www/index.html", "EXPOSE 80", 'CMD ["httpd", "-f", "-h", "/www", "-p", "80"]', "FROM prod AS last", "RUN false", "",
    ].join("\n"),
  });
  tool = makeContext(bed.folder, { Dockerfile: "FROM busybox\nRUN echo tool > /t\nCMD [\"cat\", \"/t\"]\n" });
});

const project = (name: string, build: object = {}): Compose => new Compose(daemon, bed.path(name), name, {
  services: {
    web: { build: { context: app, dockerfile: "Dockerfile.prod", target: "prod", args: { BASE: "busybox", GREETING: "good day" }, labels: { kind: "web" }, shm_size: "32m", extra_hosts: ["elsewhere:10.9.8.7"], ...build }, image: "shop/web:1", stop_signal: "SIGKILL" },
    tool: { build: tool },
  },
});
const page = async (container: string, path = ""): Promise<string> => {
  const { Networks } = (await daemon.inspect(container)).NetworkSettings as { Networks: Record<string, { IPAddress: string }> };
  return bed.netns.fetch(`http://${Object.values(Networks)[0]!.IPAddress}/${path}`);
};

it("builds what the file says, names it, and runs it", async () => {
  const compose = project("a");
  const said = await compose.ok("build");
  expect(said).toMatch(/Successfully tagged shop\/web:1/);
  expect(said).toMatch(/Successfully tagged a_tool:latest/);
  const image = await daemon.inspect("shop/web:1", "image");
  expect(image.Config).toMatchObject({ Labels: { kind: "web" }, ExposedPorts: { "80/tcp": {} } });
  await compose.ok("up", "-d");
  expect(await page("a_web_1")).toBe("<p>first page</p>");
  expect(await page("a_web_1", "greeting")).toBe("good day");
  expect(await daemon.dockerOk("run", "--rm", "shop/web:1", "sh", "-c", "ls -A /app")).toBe(".dockerignore\nDockerfile.prod\nnotes.md");
  expect(await compose.ok("run", "--rm", "-T", "tool")).toBe("tool");

  // Nothing has changed: everything is from the cache, and nothing is made anew.
  const { Id } = await daemon.inspect("a_web_1");
  expect((await compose.ok("build")).match(/Using cache/g)).toHaveLength(9);
  await compose.ok("up", "-d", "--build");
  expect((await daemon.inspect("a_web_1")).Id).toBe(Id);

  // A page has changed: its service is made anew, the other is not.
  const other = (await daemon.docker(["inspect", "-f", "{{.Id}}", "a_tool_1"])).stdout;
  writeFileSync(join(app, "page.html"), "<p>second page</p>\n");
  await compose.ok("up", "-d", "--build", "-t", "0");
  expect((await daemon.inspect("a_web_1")).Id).not.toBe(Id);
  expect((await daemon.docker(["inspect", "-f", "{{.Id}}", "a_tool_1"])).stdout).toBe(other);
  expect(await page("a_web_1")).toBe("<p>second page</p>");

  expect((await compose.ok("build", "--no-cache", "--build-arg", "GREETING=other", "web"))).not.toContain("Using cache");
  await compose.ok("up", "-d", "-t", "0");
  expect(await page("a_web_1", "greeting")).toBe("other");
  await compose.ok("down", "-t", "0", "--rmi", "all");
  expect(await daemon.dockerOk("images", "--format", "{{.Repository}}")).not.toMatch(/shop|a_tool/);
});

it("takes steps of the images that cache_from names, and of no others", async () => {
  await project("b").ok("build");
  await daemon.dockerOk("tag", "shop/web:1", "seed:1");
  const said = await project("c", { cache_from: ["seed:1"] }).ok("build", "web");
  expect(said.match(/Using cache/g)).toHaveLength(7);
  expect(await project("d", { cache_from: ["busybox"] }).ok("build", "web")).not.toContain("Using cache");
});

it("says what a build ends with", async () => {
  const stage = await project("e", { target: "last" }).run("build", "--force-rm", "web");
  expect(stage.code).toBe(1);
  expect(stage.stdout + stage.stderr).toContain("The command '/bin/sh -c false' returned a non-zero code: 1");
  const missing = await project("f", { target: "nope" }).run("build", "web");
  expect([missing.code, missing.stdout + missing.stderr]).toEqual([1, expect.stringContaining("nope")]);
  writeFileSync(join(app, "Dockerfile.bad"), `${readFileSync(join(app, "Dockerfile.prod"), "utf8")}RUMBLE x\n`);
  const bad = await project("g", { dockerfile: "Dockerfile.bad" }).run("build", "web");
  expect([bad.code, bad.stdout + bad.stderr]).toEqual([1, expect.stringMatching(/line 14: unknown instruction: RUMBLE/)]);
  expect([readdirSync(join(daemon.dataRoot, "tmp")), await daemon.dockerOk("ps", "-aq")]).toEqual([[], ""]);
});
