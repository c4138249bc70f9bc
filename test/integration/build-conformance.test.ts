import { chmodSync, chownSync, linkSync, rmSync } from "node:fs";
import { join } from "node:path";
import { type ContextFile, type Daemon, Dockerd, type Result, TestBed, busyboxTar, daemonNeeds, makeContext, needs, ok } from "../helpers/index.js";

/** The same Dockerfiles by Debian's dockerd (classic builder): configuration, history and tree must be the same. */
const it = needs(...daemonNeeds, "docker", "dockerd");
jest.setTimeout(120_000);

let bed: TestBed;
let daemon: Daemon;
let dockerd: Dockerd;
beforeAll(async () => {
  bed = await TestBed.create();
  daemon = await bed.daemon();
  dockerd = await Dockerd.start(bed.netns, bed.path("dd"));
  for (const engine of [daemon, dockerd]) await engine.dockerOk("import", await busyboxTar(), "busybox:latest");
}, 120_000);
afterAll(async () => {
  await dockerd.stop();
  await bed.close();
}, 60_000);

interface Case {
  readonly dockerfile: readonly string[];
  readonly files?: Readonly<Record<string, ContextFile>>;
  readonly args?: readonly string[];
  /** Changes the context before it is sent. */
  readonly prepare?: (folder: string) => unknown;
}

const FILES: Readonly<Record<string, ContextFile>> = {
  "a.txt": "a\n", "b.txt": "bb\n", "d/x": "x", "d/e/y": "y", exe: { text: "#!/bin/sh\n", mode: 0o755 }, l: { link: "a.txt" }, "sp ace": "s", "w1.c": "1", "w2.c": "2",
};
const tar = (folder: string, name: string, ...what: string[]): Promise<string> => ok("tar", ["-C", folder, "--owner=9", "--group=9", "-caf", join(folder, name), ...what]);

const CASES: Readonly<Record<string, Case>> = {
  "ENV, every form and expansion": { dockerfile: ['ENV A=1 B="x y" C=a\\ b', "ENV D the rest of  it", "ENV E=${A}x F=${Z:-def} G=${A:+alt} H=\\$A", "ENV A=2 I=$A"] },
  "LABEL, and labels of the command line": { dockerfile: ['LABEL a=b "c d"="e f" v=1.2', "LABEL old style"], args: ["--label", "x=y", "--label", "q=a b"] },
  "CMD and ENTRYPOINT": { dockerfile: ['CMD echo $HOME "a b"', 'ENTRYPOINT ["/bin/sh","-c"]', 'CMD ["c"]'] },
  "ENTRYPOINT after a CMD of the base": { dockerfile: ['CMD ["x"]', "FROM base", 'ENTRYPOINT ["e"]'] },
  "SHELL": { dockerfile: ['SHELL ["/bin/sh","-ec"]', "RUN echo hi > /f", "CMD foo bar"] },
  "EXPOSE, VOLUME, USER, STOPSIGNAL, MAINTAINER": { dockerfile: ["EXPOSE 80 443/tcp 53/udp 8000-8002", "ARG P=99", "EXPOSE $P", "VOLUME /a /b", 'VOLUME ["/c", "/d e"]', "STOPSIGNAL SIGTERM", "MAINTAINER Jo <jo@x.y>", "RUN mkdir /w && chmod 777 /w", "USER user", "RUN id -u > /w/id", "USER 0:0"] },
  "WORKDIR": { dockerfile: ["WORKDIR /a", "WORKDIR b", "WORKDIR ../c", "ENV X=/q", "WORKDIR $X/r", "RUN pwd > p"] },
  "ONBUILD, and its triggers": { dockerfile: ["ONBUILD RUN echo trig > /t", "ONBUILD COPY a.txt /z/", "FROM base", "RUN echo x > /x"], files: FILES },
  "ARG": { dockerfile: ["ARG X=1", "ARG Y", 'RUN echo "$X $Y $BASE" > /o', "ENV Z=$X", "ARG V=arg", "ENV V=env", "RUN echo $V > /v"], args: ["--build-arg", "Y=yy", "--build-arg", "V=cli"] },
  "RUN: both forms, nothing, removals, links": { dockerfile: ['RUN ["/bin/sh","-c","echo a b > /o"]', "RUN true", "RUN rm -r /root /var && touch /tmp/x", "RUN rm /tmp/x && ln /etc/passwd /hard && mkdir -m 1777 /st && rm -rf /home && ln -s /st /home", "RUN rm /o && mkdir /o"] },
  "COPY of files": { dockerfile: ["COPY a.txt /x", "COPY a.txt /new/dir/", "COPY a.txt /etc", "COPY a.txt b.txt /m/", "COPY exe /usr/local/bin/exe", 'COPY ["sp ace","/t/"]', "COPY l /q", "WORKDIR /w", "COPY a.txt .", "COPY a.txt sub/", "COPY a.txt other"], files: FILES },
  "COPY of directories": { dockerfile: ["COPY d /dst", "COPY d/ /dst2/", "COPY . /all/", "COPY d /etc", "COPY *.c /src/", "COPY w?.c /s2/", "COPY [ab].txt /s3/", "COPY d/* /s4/"], files: FILES, prepare: (folder) => { chmodSync(join(folder, "d"), 0o700); chownSync(join(folder, "d/x"), 7, 8); } },
  "COPY over what is there, and through links": { dockerfile: ["RUN mkdir -p /o/d && echo old > /o/f && chmod 700 /o && chown 5:6 /o /o/d && mkdir /real && ln -s /real /ln && ln -s ../real /etc/ln2 && ln -s nowhere /dang", "COPY a.txt /o/f", "COPY d /o/d", "COPY a.txt /ln/", "COPY a.txt /ln/sub/x", "COPY d /etc/ln2/", "COPY a.txt /dang"], files: FILES },
  "COPY --from": {
    dockerfile: ["RUN mkdir -p /out/z && echo 1 > /out/f && chown -R 3:4 /out && ln -s f /out/l && chmod 700 /out && mkdir -p /o/a && touch /o/x1 /o/x2 /o/a/y", "FROM busybox", "COPY --from=base /out /got", "COPY --from=base /out/f /g1", "COPY --from=0 /out/l /g2", "COPY --from=base /o/x* /w/", "COPY --from=base /out/l /v/", "COPY --from=busybox /etc/passwd /pw"],
  },
  "ADD of archives": { dockerfile: ["ADD t.tar /ex/", "ADD t.tar.gz /ex2", "ADD a.txt /ex3/", "ADD p.gz /ex4/", "ADD t.tar a.txt d /ex5/"], files: FILES, prepare: async (folder) => { await tar(folder, "t.tar", "d", "a.txt"); await tar(folder, "t.tar.gz", "d"); await ok("sh", ["-c", `gzip -c ${join(folder, "a.txt")} > ${join(folder, "p.gz")}`]); } },
  ".dockerignore": { dockerfile: ["COPY . /c/"], files: { ...FILES, ".dockerignore": "*.txt\n!b.txt\nd/e\n" } },
  "comments and continuations": { dockerfile: ["# x", "RUN echo a \\", "# inside", "  b > /o"] },
  "a target": { dockerfile: ["RUN echo 1 > /1", "FROM base AS two", "RUN echo 2 > /2", "FROM busybox", "RUN false"], args: ["--target", "two"] },
  "HEALTHCHECK": { dockerfile: ["HEALTHCHECK --interval=5m --timeout=3s --start-period=1m30s --retries=4 CMD wget -q http://x/ || exit 1"] },
  "HEALTHCHECK after another": { dockerfile: ['HEALTHCHECK CMD ["true", "a b"]', "HEALTHCHECK NONE", "FROM base", "HEALTHCHECK --timeout=1500ms CMD true"] },
  "COPY and ADD --chown": { dockerfile: ["COPY --chown=user a.txt /a/b/u", "COPY --chown=user:extra d /ug/", "COPY --chown=7 a.txt /n", "ADD --chown=7:8 a.txt t.tar /nn/", "ARG W=user", "COPY --chown=${W}:9 d/e/ /etc/", "FROM busybox", "COPY --from=base --chown=root:extra /ug /again"], files: FILES, prepare: (folder) => tar(folder, "t.tar", "d", "exe") },
  "limits and hosts of the command line": {
    dockerfile: ["RUN grep elsewhere /etc/hosts > /hosts; ulimit -n > /files; ulimit -Hn >> /files; df -k /dev/shm | tail -n 1 | awk '{print $2}' > /shm; cat /sys/fs/cgroup/memory/memory.limit_in_bytes /sys/fs/cgroup/memory.max > /memory 2> /dev/null; true"],
    args: ["--add-host", "elsewhere:10.9.8.7", "--ulimit", "nofile=123:456", "--shm-size", "32m", "--memory", "64m"],
  },
  "what RUN finds": { dockerfile: ["ENV A=1", "WORKDIR /w", "RUN chmod 777 .", "USER user", "RUN (env | grep -v HOSTNAME | sort; id; pwd; umask; ls /proc/self/fd | wc -l; tty; cat) > found 2>&1"] },
  "hard links": {
    dockerfile: ["RUN mkdir /h && echo 1 > /h/a && ln /h/a /h/b && : > /h/empty && ln /h/empty /h/nothing && ln -s a /h/l", "FROM busybox", "COPY --from=base /h /got/", "COPY d /d/", "ADD t.tar /ex/"], files: FILES,
    prepare: async (folder) => { linkSync(join(folder, "d/x"), join(folder, "d/e/again")); await tar(folder, "t.tar", "d"); },
  },
  "words as they are written": { dockerfile: ["WORKDIR /a/", "WORKDIR b/", "WORKDIR /c/../d", 'ENTRYPOINT ["x"]', "ENTRYPOINT", "STOPSIGNAL rtmin+1", "RUN echo > /x"], args: ["--build-arg", "HTTP_PROXY=http://proxy.example"] },
  "scratch": { dockerfile: ["FROM scratch", "COPY --from=base / /", "ENV A=1"] },
};

for (const [name, one] of Object.entries(CASES)) {
  it(name, async () => {
    const folder = makeContext(bed.folder, { ...one.files, Dockerfile: `ARG BASE=busybox\nFROM \${BASE} AS base\n${one.dockerfile.join("\n")}\n` });
    await one.prepare?.(folder);
    const [ours, theirs] = await Promise.all([daemon, dockerd].map((engine) => built(engine, folder, one.args ?? [])));
    expect(ours).toEqual(theirs);
    rmSync(folder, { recursive: true });
  });
}

async function built(engine: Daemon | Dockerd, folder: string, args: readonly string[]): Promise<object> {
  const { code, stderr }: Result = await engine.docker(["build", "--network", "none", "-t", "compared", ...args, folder], { env: { DOCKER_BUILDKIT: "0" } });
  if (code !== 0) throw new Error(stderr);
  const { Config, Author, RootFS } = (JSON.parse(await engine.dockerOk("inspect", "compared")) as { Config: Record<string, unknown>; Author: string; RootFS: { Layers: string[] } }[])[0]!;
  const said = Object.entries(Config).filter(([key, value]) => value && !["Image", "Hostname", "Domainname"].includes(key) && (typeof value !== "object" || Object.keys(value).length > 0));
  const history = await engine.dockerOk("history", "--no-trunc", "--format", "{{.CreatedBy}}", "compared");
  const id = await engine.dockerOk("create", "--network", "none", "compared", "x");
  const file = join(folder, `${engine === daemon ? "ours" : "theirs"}.tar`);
  await engine.dockerOk("export", "-o", file, id);
  await engine.dockerOk("rm", id);
  // Times differ where commands ran; what runtimes make is no part of the image.
  const tree = (await ok("tar", ["--numeric-owner", "-tvf", file])).split("\n")
    .map((line) => /^(\S+) (\S+) +(\S+) \S+ \S+ (?:\.?\/)?(.*)$/.exec(line)!.slice(1).join(" "))
    .filter((line) => !/ (|\.dockerenv|(dev|proc|sys|bin)\/.*|etc\/(hosts|hostname|resolv\.conf|mtab)( -> .*)?)$/.test(line)).sort();
  return { config: Object.fromEntries(said), author: Author, layers: RootFS.Layers.length, history: alike(history), tree, content: await contentOf(file) };
}

/** History without what docs/build.md lists as different: digests, a forgotten space, an interval that was added later. */
const alike = (history: string): string => history.replaceAll(/(file|dir|multi):[0-9a-f]{64}/g, "$1").replaceAll(/(--chown=\S*?) ?(file|dir|multi)\b/g, "$1 $2").replaceAll(/((?:"[\d.hmsµn]+" ){3})"[\d.hmsµn]+" /g, "$1");

/** Digests of all files, what runtimes make aside. */
async function contentOf(file: string): Promise<string[]> {
  const folder = `${file}.d`;
  await ok("sh", ["-c", `mkdir ${folder} && tar -C ${folder} --exclude=dev --exclude=proc --exclude=sys --exclude=etc/hosts --exclude=etc/hostname --exclude=etc/resolv.conf --exclude=.dockerenv -xf ${file}`]);
  return (await ok("sh", ["-c", `cd ${folder} && find . -type f -exec sha256sum {} +`])).split("\n").sort();
}
