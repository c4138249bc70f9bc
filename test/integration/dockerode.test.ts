import { PassThrough, type Readable } from "node:stream";
import { createReadStream } from "node:fs";
import Docker from "dockerode";
import { type Daemon, type Json, type Registry, busyboxTar, daemonNeeds, importBusybox, needs, setUp, tarOfMembers, until } from "../helpers/index.js";

const it = needs(...daemonNeeds, "docker", "registry");

let daemon: Daemon;
let registry: Registry;
/** dockerode comes without types. */
let docker: Json;
setUp(async (bed) => {
  registry = await bed.registry();
  daemon = await bed.daemonWithBusybox();
  await daemon.dockerOk("tag", "busybox", registry.name("box:1"));
  await daemon.dockerOk("push", registry.name("box:1"));
  await daemon.dockerOk("rmi", "busybox", registry.name("box:1"));
  docker = new Docker({ socketPath: daemon.socket });
});

const text = async (stream: Readable): Promise<string> => {
  const parts: Buffer[] = [];
  for await (const part of stream) parts.push(part as Buffer);
  return Buffer.concat(parts).toString("latin1");
};
/** Splits a multiplexed stream as dockerode's users do. */
async function demuxed(stream: Readable): Promise<{ stdout: string; stderr: string }> {
  const out = new PassThrough(), err = new PassThrough();
  docker.modem.demuxStream(stream, out, err);
  stream.on("end", () => { out.end(); err.end(); });
  const [stdout, stderr] = await Promise.all([text(out), text(err)]);
  return { stdout, stderr };
}

it("a dockerode program pulls, creates, starts, attaches, execs, follows logs and events, and removes", async () => {
  const events: string[] = [];
  const eventStream = await docker.getEvents();
  eventStream.on("data", (chunk: Buffer) => {
    for (const line of chunk.toString().split("\n").filter(Boolean)) {
      const event = JSON.parse(line) as { Type: string; Action: string };
      events.push(`${event.Type} ${event.Action.split(":")[0]!}`);
    }
  });

  const name = registry.name("box:1");
  const pull = await docker.pull(name);
  const progress: { status?: string }[] = await new Promise((resolve, reject) => {
    docker.modem.followProgress(pull, (error: Error | null, lines: { status?: string }[]) => { if (error) reject(error); else resolve(lines); });
  });
  expect(progress.map(({ status }) => status)).toEqual(expect.arrayContaining(["Pull complete", expect.stringMatching(/^Status: Downloaded newer image/)]));
  expect((await docker.listImages()).map((image: { RepoTags: string[] }) => image.RepoTags)).toEqual([[name]]);
  expect((await docker.getImage(name).inspect()).Os).toBe("linux");

  const container = await docker.createContainer({
    Image: name, name: "node", Cmd: ["sh", "-c", "read line; echo got $line; echo bad >&2; sleep 100"],
    AttachStdin: true, AttachStdout: true, AttachStderr: true, OpenStdin: true, StdinOnce: false, Tty: false, Labels: { made: "by-node" },
  });
  const attached = await container.attach({ stream: true, stdin: true, stdout: true, stderr: true, hijack: true });
  const attachedOutput = demuxed(attached);
  await container.start();
  attached.write("hello\n");

  const logs = await container.logs({ follow: true, stdout: true, stderr: true });
  const logOutput = demuxed(logs);
  await until(async () => (await demuxed(await containerLogs())).stderr === "bad\n" || undefined, 10_000, "the logs");
  function containerLogs(): Promise<Readable> {
    return container.logs({ stdout: true, stderr: true }).then((body: Buffer | Readable) => (Buffer.isBuffer(body) ? streamOf(body) : body));
  }

  await container.putArchive(tarOfMembers([{ name: "put", data: "by node" }]), { path: "/tmp" });
  expect(await text((await container.getArchive({ path: "/tmp/put" })) as Readable)).toContain("by node");
  const info = await container.infoArchive({ path: "/tmp/put" }) as { headers: Record<string, string> };
  expect(JSON.parse(Buffer.from(info.headers["x-docker-container-path-stat"]!, "base64").toString())).toMatchObject({ name: "put", size: 7 });
  expect((await container.stats({ stream: false })).name).toBe("/node");
  expect(await container.update({ RestartPolicy: { Name: "no" } })).toEqual({ Warnings: [] });

  const exec = await container.exec({ Cmd: ["sh", "-c", "cat; exit 4"], AttachStdin: true, AttachStdout: true, AttachStderr: true });
  const session = await exec.start({ hijack: true, stdin: true });
  const execOutput = demuxed(session);
  session.write("through exec");
  session.end();
  expect((await execOutput).stdout).toBe("through exec");
  expect((await exec.inspect()).ExitCode).toBe(4);

  expect((await container.inspect()).State.Running).toBe(true);
  expect(await docker.listContainers({ filters: { label: ["made=by-node"] } })).toHaveLength(1);
  const waiting = container.wait();
  await container.kill();
  expect((await waiting).StatusCode).toBe(137);
  expect(await attachedOutput).toEqual({ stdout: "got hello\n", stderr: "bad\n" });
  expect(await logOutput).toEqual({ stdout: "got hello\n", stderr: "bad\n" });

  const committed = await container.commit({ repo: "from-node", tag: "1" });
  expect(committed.Id).toMatch(/^sha256:/);
  await container.remove();
  await expect(container.inspect()).rejects.toMatchObject({ statusCode: 404 });
  const volume = await docker.createVolume({ Name: "node-volume" });
  await volume.remove();
  const network = await docker.createNetwork({ Name: "node-network" });
  await network.remove();

  const loaded = await docker.importImage(createReadStream(await busyboxTar()), { repo: "imported", tag: "1" });
  await text(loaded as Readable);
  const result = await docker.run("imported:1", ["echo", "run"], new PassThrough(), { HostConfig: { AutoRemove: true } });
  expect(result[0].StatusCode).toBe(0);
  await until(async () => (await docker.listContainers({ all: true })).length === 0 || undefined, 10_000, "the removal");
  for (const image of ["imported:1", "from-node:1", name]) await docker.getImage(image).remove();
  expect(await docker.listImages({ all: true })).toEqual([]);

  await until(() => events.includes("image delete") || undefined, 10_000, "the last event");
  eventStream.destroy();
  for (const event of ["image pull", "container create", "container attach", "container start", "container exec_create", "container exec_start", "container kill", "container die", "container commit", "container destroy", "volume create", "network create"]) {
    expect(events).toContain(event);
  }
}, 120_000);

describe("other verbs of dockerode's", () => {
  beforeAll(async () => { await importBusybox(daemon); }, 60_000);
  afterEach(async () => {
    await daemon.removeContainers();
  });
  const started = async (options: object = {}): Promise<Json> => {
    const container = await docker.createContainer({ Image: "busybox", Cmd: ["sleep", "1000"], StopSignal: "SIGKILL", ...options });
    await container.start();
    return container;
  };

  it("a terminal: what is typed comes back as one stream, whose end is typed too; sizes; a container and an exec of it", async () => {
    const container = await docker.createContainer({ Image: "busybox", Cmd: ["wc", "-c"], Tty: true, OpenStdin: true, AttachStdin: true });
    const stream = await container.attach({ stream: true, stdin: true, stdout: true, stderr: true, hijack: true });
    const output = text(stream);
    await container.start();
    stream.write(`${"x".repeat(1000)}\n\u0004`);
    expect((await container.wait()).StatusCode).toBe(0);
    expect(Number((await output).slice(1000))).toBe(1001);

    const shell = await started({ Tty: true });
    await shell.resize({ h: 20, w: 90 });
    const exec = await shell.exec({ Cmd: ["sh", "-c", "stty size; read line; stty size; echo got $line"], Tty: true, AttachStdin: true, AttachStdout: true, AttachStderr: true });
    // Who starts it says whether it comes in frames: dockerode does not unless asked.
    const session = await exec.start({ hijack: true, stdin: true, Tty: true });
    const said = text(session);
    await exec.resize({ h: 33, w: 77 });
    await until(async () => (await exec.inspect()).Running || undefined, 30_000, "the exec");
    session.write("typed\n");
    expect(await said).toMatch(/33 77\r\ngot typed\r\n$/);
    const framed = await shell.exec({ Cmd: ["echo", "in frames"], Tty: true, AttachStdout: true });
    expect(await demuxed(await framed.start({}))).toEqual({ stdout: "in frames\r\n", stderr: "" });
  }, 120_000);

  it("states: pause, rename, top, changes, restart, stop, and what each refuses", async () => {
    const container = await started({ name: "first", Cmd: ["sh", "-c", "touch /made; exec sleep 1000"] });
    await until(async () => ((await container.changes()) ?? []).some((change: { Path: string }) => change.Path === "/made") || undefined, 30_000, "the file");
    expect(await container.top({ ps_args: "-o pid,cmd" })).toMatchObject({ Titles: ["PID", "CMD"], Processes: [[expect.stringMatching(/^\d+$/), "sleep 1000"]] });
    await container.pause();
    expect((await container.inspect()).State).toMatchObject({ Status: "paused", Paused: true, Running: true });
    await expect(container.pause()).rejects.toMatchObject({ statusCode: 409 });
    await expect(container.exec({ Cmd: ["true"] })).rejects.toMatchObject({ statusCode: 409 });
    await container.unpause();
    await expect(container.start()).rejects.toMatchObject({ statusCode: 304 });
    await container.rename({ _query: { name: "second" } });
    await docker.getContainer("second").restart({ t: 0 });
    expect(await container.inspect({ size: true })).toMatchObject({ Name: "/second", State: { Running: true }, SizeRootFs: expect.any(Number) });
    await expect(container.remove()).rejects.toMatchObject({ statusCode: 409 });
    await expect(docker.createContainer({ Image: "busybox", name: "second" })).rejects.toMatchObject({ statusCode: 409, json: { message: expect.stringContaining("is already in use by container") } });
    await container.stop({ t: 0 });
    await expect(container.stop()).rejects.toMatchObject({ statusCode: 304 });
    await expect(container.kill()).rejects.toMatchObject({ statusCode: 409 });
    expect((await text(await container.export())).includes("made")).toBe(true);
    await container.remove({ v: true });
    await expect(docker.createContainer({ Image: "nothing-here" })).rejects.toMatchObject({ statusCode: 404 });
  }, 120_000);

  it("a request that is called off ends, and what it asked of goes on", async () => {
    const container = await started();
    for (const ask of [(abortSignal: AbortSignal) => container.wait({ abortSignal }), (abortSignal: AbortSignal) => container.logs({ follow: true, stdout: true, abortSignal }).then(text), (abortSignal: AbortSignal) => container.stats({ abortSignal }).then(text)]) {
      const controller = new AbortController();
      setTimeout(() => controller.abort(), 100);
      await expect(ask(controller.signal)).rejects.toMatchObject({ message: expect.stringMatching(/abort/) });
    }
    expect((await container.inspect()).State.Running).toBe(true);
  }, 60_000);

  it("images: history, tags, save and load, prune; containers, volumes and networks: list and prune", async () => {
    const image = docker.getImage("busybox");
    expect((await image.history())[0]).toMatchObject({ Comment: expect.any(String), Tags: ["busybox:latest"] });
    await image.tag({ repo: "other", tag: "2" });
    const saved = await text(await docker.getImage("other:2").get());
    expect(saved).toContain("manifest.json");
    await docker.getImage("other:2").remove();
    const archive = new PassThrough();
    archive.end(Buffer.from(saved, "latin1"));
    expect(await text(await docker.loadImage(archive))).toContain("Loaded image: other:2");
    const volume = await docker.createVolume({ Name: "kept", Labels: { of: "dockerode" } });
    expect(await docker.listVolumes({ filters: JSON.stringify({ label: ["of=dockerode"] }) })).toMatchObject({ Volumes: [{ Name: "kept" }] });
    expect(await volume.inspect()).toMatchObject({ Scope: "local", Driver: "local" });

    const network = await docker.createNetwork({ Name: "joined", CheckDuplicate: true });
    const container = await started();
    await network.connect({ Container: container.id, EndpointConfig: { Aliases: ["alias"] } });
    expect(Object.keys((await network.inspect()).Containers as object)).toEqual([container.id]);
    expect((await container.inspect()).NetworkSettings.Networks.joined.Aliases).toContain("alias");
    await network.disconnect({ Container: container.id, Force: true });
    expect((await docker.listNetworks({ filters: { name: ["joined"] } })).map(({ Name }: { Name: string }) => Name)).toEqual(["joined"]);
    await container.stop({ t: 0 });

    expect((await docker.pruneContainers()).ContainersDeleted).toEqual([container.id]);
    expect(await docker.pruneNetworks()).toMatchObject({ NetworksDeleted: ["joined"] });
    expect(await docker.pruneVolumes({ filters: { all: ["true"] } })).toMatchObject({ VolumesDeleted: ["kept"] });
    expect((await docker.pruneImages({ filters: { dangling: ["false"] } })).ImagesDeleted).toEqual(expect.arrayContaining([{ Untagged: "other:2" }, { Untagged: "busybox:latest" }]));
    await importBusybox(daemon);
  }, 120_000);

  it("the daemon: ping, version, info, df, auth; run tells what happens", async () => {
    expect(String(await docker.ping())).toBe("OK");
    expect(await docker.version()).toMatchObject({ ApiVersion: expect.stringMatching(/^1\.\d+$/), Os: "linux" });
    expect(await docker.info()).toMatchObject({ Images: 1, OSType: "linux" });
    expect(await docker.df()).toMatchObject({ Images: [{ RepoTags: ["busybox:latest"] }], Volumes: [], Containers: [] });
    expect(await docker.checkAuth({ username: "", serveraddress: registry.address })).toMatchObject({ Status: "Login Succeeded" });

    const output = new PassThrough(), seen: string[] = [];
    // The answer to the wait may be read before what came on the other connection.
    let ended = Promise.resolve();
    const over = new Promise<{ StatusCode: number }>((resolve, reject) => {
      const run = docker.run("busybox", ["sh", "-c", "echo run; exit 3"], output, {}, (error: Error | null, data: { StatusCode: number }) => { if (error) reject(error); else resolve(data); });
      for (const event of ["container", "stream", "start", "data"]) run.on(event, () => seen.push(event));
      run.on("stream", (stream: NodeJS.ReadableStream) => { ended = new Promise((done) => stream.once("end", done)); });
    });
    expect((await over).StatusCode).toBe(3);
    expect(seen).toEqual(expect.arrayContaining(["container", "stream", "start"]));
    await ended;
    output.end();
    expect(await text(output)).toContain("run");
  }, 60_000);
});

function streamOf(body: Buffer): Readable {
  const stream = new PassThrough();
  stream.end(body);
  return stream;
}
