import { mkdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { type ContextFile, type Daemon, type TestBed, daemonNeeds, makeContext, needs, ok, setUp } from "../helpers/index.js";

/** Newer syntax, which no classic builder has, beside Debian's buildah: configuration, and what each layer holds. */
const it = needs(...daemonNeeds, "docker", "buildah");
jest.setTimeout(120_000);

let bed: TestBed, daemon: Daemon;
setUp(async (made) => {
  bed = made;
  daemon = await bed.daemonWithBusybox();
  await daemon.dockerOk("tag", "busybox", "localhost/busybox");
  await daemon.dockerOk("save", "-o", bed.path("busybox.tar"), "localhost/busybox:latest");
  await buildah("pull", `docker-archive:${bed.path("busybox.tar")}`);
});

/** With a store of its own, in the test's network namespace. */
function buildah(...args: readonly string[]): Promise<string> {
  mkdirSync(bed.path("run"), { recursive: true });
  return bed.netns.ok("buildah", ["--root", bed.path("buildah"), "--runroot", bed.path("run"), "--storage-driver", "vfs", ...args], { env: { ...process.env, XDG_RUNTIME_DIR: bed.path("run") } });
}

interface Case {
  readonly dockerfile: readonly string[];
  readonly files?: Readonly<Record<string, ContextFile>>;
  readonly args?: readonly string[];
}
const FILES: Readonly<Record<string, ContextFile>> = { "a.txt": "a\n", "d/x": "x\n", "d/e/y": "y\n", exe: { text: "#!/bin/sh\n", mode: 0o755 }, l: { link: "a.txt" } };
const SECOND = "FROM localhost/busybox";

const CASES: Readonly<Record<string, Case>> = {
  "COPY --chmod": { files: FILES, dockerfile: ["COPY --chmod=640 a.txt /one", "COPY --chmod=0711 exe /bin/exe", "COPY --chmod=755 --chown=3:4 a.txt /both"] },
  "ADD --chmod": { files: FILES, dockerfile: ["ADD --chmod=600 a.txt /one", "ADD --chmod=604 --chown=5 a.txt exe /many/"] },
  "COPY --chmod of another stage": { dockerfile: ["RUN echo f > /f && chmod 711 /f && chown 9:9 /f", SECOND, "COPY --from=base --chmod=640 /f /moded", "COPY --from=base --chown=1:2 /f /owned"] },
  "RUN --mount=type=bind": { files: FILES, dockerfile: ["RUN --mount=type=bind,target=/context cp /context/d/x /x && cat /context/l > /l", "RUN --mount=type=bind,source=d/e,target=/e,rw cat /e/y > /y"] },
  "RUN --mount=type=bind of another stage": { dockerfile: ["RUN mkdir -p /out/z && echo 1 > /out/f", SECOND, "RUN --mount=type=bind,from=base,source=/out,target=/in cp /in/f /g && ls /in > /list"] },
  "RUN --mount=type=cache": { dockerfile: ["RUN --mount=type=cache,id=c,target=/c echo 1 > /c/f", "RUN --mount=type=cache,id=c,target=/other cat /other/f > /seen"] },
  "RUN --mount=type=tmpfs": { dockerfile: ["RUN --mount=type=tmpfs,target=/t touch /t/x && grep -c ' /t tmpfs' /proc/mounts > /count", "RUN echo $(ls -A /t 2>/dev/null) > /left"] },
  "predefined arguments": { dockerfile: ["ARG TARGETPLATFORM", "ARG TARGETOS", "ARG TARGETARCH", "RUN echo $TARGETPLATFORM $TARGETOS $TARGETARCH > /target", "RUN echo $HTTP_PROXY > /proxy"], args: ["--build-arg", "HTTP_PROXY=http://proxy.example"] },
  "expansions": { files: FILES, dockerfile: ["ARG P=a/b/c", "ENV A=${P:-x} B=${N:-none} C=${P:+set} D=pre$P", "COPY a.txt /${N:-there}/", "COPY a.txt /w/$P"] },
};

for (const [name, one] of Object.entries(CASES)) {
  it(name, async () => {
    const folder = makeContext(bed.folder, { ...one.files, Dockerfile: `FROM localhost/busybox AS base\n${one.dockerfile.join("\n")}\n` });
    for (const left of ["ours.tar", "theirs.tar", "ours.tar.d", "theirs.tar.d"]) rmSync(join(bed.folder, left), { recursive: true, force: true });
    const [ours, theirs] = [join(bed.folder, "ours.tar"), join(bed.folder, "theirs.tar")];
    const { code, stderr } = await daemon.docker(["build", "--network=host", "-t", "compared", ...(one.args ?? []), folder], { env: { DOCKER_BUILDKIT: "0" } });
    if (code !== 0) throw new Error(stderr);
    await daemon.dockerOk("save", "-o", ours, "compared");
    await buildah("bud", "--isolation", "chroot", "--network", "host", "--layers", "--format", "docker", "--pull-never", "--identity-label=false", "-t", "localhost/compared", ...(one.args ?? []), folder);
    await buildah("push", "localhost/compared", `docker-archive:${theirs}:compared:latest`);
    expect(await described(ours)).toEqual(await described(theirs));
    rmSync(folder, { recursive: true });
  });
}

/** Where buildah mounts something for a command it leaves empty files. */
const MOUNTED = / 0 \S+ \S+ (\.?\/)?etc\/(hosts|hostname|resolv\.conf)$/;

/** What a saved image says of itself, and what each of its layers holds: directories on the way, which both tell of as they like, aside. */
async function described(archive: string): Promise<object> {
  const folder = `${archive}.d`;
  mkdirSync(folder);
  await ok("tar", ["-C", folder, "-xf", archive]);
  const [manifest] = JSON.parse(await ok("cat", [join(folder, "manifest.json")])) as [{ Config: string; Layers: string[] }];
  const { config } = JSON.parse(await ok("cat", [join(folder, manifest.Config)])) as { config: Record<string, unknown> };
  const said = Object.entries(config).filter(([key, value]) => value && !["Image", "Hostname", "Domainname"].includes(key) && (typeof value !== "object" || Object.keys(value).length > 0));
  const layers: object[] = [];
  for (const layer of manifest.Layers.slice(1)) {
    const tree = (await ok("tar", ["--numeric-owner", "-tvf", join(folder, layer)])).split("\n").filter((line) => line !== "" && !line.startsWith("d") && !MOUNTED.test(line))
      .map((line) => /^(\S+) (\S+) +(\S+) \S+ \S+ (?:\.?\/)?(.*)$/.exec(line)!.slice(1).join(" ")).sort();
    // A command that changes no file makes a layer of buildah's, and none of Docker's.
    if (tree.length === 0) continue;
    layers.push({ tree, content: await ok("sh", ["-c", `tar -xOf ${join(folder, layer)} | sha256sum`]) });
  }
  rmSync(folder, { recursive: true });
  return { config: Object.fromEntries(said), layers };
}
