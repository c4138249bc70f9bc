import { PassThrough, type Readable } from "node:stream";
import { createReadStream } from "node:fs";
import Docker from "dockerode";
import { type Daemon, type Registry, TestBed, busyboxTar, daemonNeeds, needs, tarOfMembers, until } from "../helpers/index.js";

const it = needs(...daemonNeeds, "docker", "registry");

let bed: TestBed;
let daemon: Daemon;
let registry: Registry;
// eslint-disable-next-line @typescript-eslint/no-explicit-any -- dockerode comes without types
let docker: any;
beforeAll(async () => {
  bed = await TestBed.create();
  registry = await bed.registry();
  daemon = await bed.daemonWithBusybox();
  await daemon.dockerOk("tag", "busybox", registry.name("box:1"));
  await daemon.dockerOk("push", registry.name("box:1"));
  await daemon.dockerOk("rmi", "busybox", registry.name("box:1"));
  docker = new Docker({ socketPath: daemon.socket });
}, 120_000);
afterAll(() => bed.close(), 60_000);

const text = async (stream: Readable): Promise<string> => {
  const parts: Buffer[] = [];
  for await (const part of stream) parts.push(part as Buffer);
  return Buffer.concat(parts).toString();
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

function streamOf(body: Buffer): Readable {
  const stream = new PassThrough();
  stream.end(body);
  return stream;
}
