import { existsSync, mkdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { type Daemon, type TestBed, daemonNeeds, needs, ok, setUp } from "../helpers/index.js";

/** Every way to mount something into a container, each seen from inside; and what is refused. */
const it = needs(...daemonNeeds, "docker");
const onNewKernels = needs(...daemonNeeds, "docker", "mountSetattr");

let bed: TestBed, daemon: Daemon;
let here: string;
setUp(async (made) => {
  bed = made;
  daemon = await bed.daemonWithBusybox();
  here = bed.path("here");
  mkdirSync(`${here}/sub`, { recursive: true });
  writeFileSync(`${here}/file`, "of the host\n");
});
afterEach(async () => {
  await daemon.removeContainers();
  await daemon.docker(["volume", "prune", "-af"]);
});

const shown = (args: readonly string[], script: string): Promise<string> => daemon.dockerOk("run", "--rm", ...args, "busybox", "sh", "-c", script);
const refused = async (...args: string[]): Promise<string> => {
  const { code, stderr } = await daemon.docker(["run", "--rm", ...args, "busybox", "true"]);
  expect({ args, code }).toEqual({ args, code: 125 });
  return stderr;
};
const options = (target: string): string => `awk '$2 == "${target}" {print $3, $4}' /proc/mounts`;

describe("--tmpfs and --mount type=tmpfs", () => {
  it("have Docker's flags by default, and those asked for", async () => {
    expect(await shown(["--tmpfs", "/t"], options("/t"))).toMatch(/^tmpfs rw,nosuid,nodev,noexec,relatime/);
    const asked = await shown(["--tmpfs", "/t:size=1m,mode=1750,uid=5,exec"], `${options("/t")}; stat -c '%a %u' /t`);
    expect(asked).toMatch(/^tmpfs rw,nosuid,nodev,relatime,size=1024k,mode=1750,uid=5[^]*\n1750 5$/);
    expect(await shown(["--tmpfs", "/t:ro"], "touch /t/x 2>&1 | grep -c Read-only")).toBe("1");
    expect(await shown(["--mount", "type=tmpfs,dst=/t,tmpfs-size=2m,tmpfs-mode=1700"], `${options("/t")}; stat -c %a /t`)).toMatch(/size=2048k[^]*\n1700$/);
  });
  it("have the mode of the directory that they hide", async () => {
    expect(await shown(["--tmpfs", "/etc", "--mount", "type=tmpfs,dst=/home"], "stat -c %a /etc /home; ls /etc | grep -c passwd; true")).toBe("755\n755\n0");
    expect(await shown(["--tmpfs", "/new"], "stat -c %a /new")).toBe("1777");
  });
  it("are refused with what tmpfs does not know", async () => {
    expect(await refused("--tmpfs", "/t:magic=1")).toContain('invalid tmpfs option ["magic=1"]');
    expect(await refused("--tmpfs", "relative")).toContain("mount path must be absolute");
    expect(await refused("--tmpfs", "/t", "--mount", "type=volume,dst=/t")).toContain("Duplicate mount point: /t");
    expect(await refused("--mount", "type=tmpfs,dst=/t,src=/x")).toMatch(/Source must not be specified/i);
  });
});

it("/dev/shm that others may join has the flags of one that they may not", async () => {
  expect(await shown(["--ipc", "shareable"], options("/dev/shm"))).toMatch(/^tmpfs rw,nosuid,nodev,noexec,/);
});

describe("binds", () => {
  it("-v: read-only, made when absent, files, words that count for nothing here", async () => {
    expect(await shown(["-v", `${here}:/h`], "cat /h/file; touch /h/made && echo wrote")).toBe("of the host\nwrote");
    expect(existsSync(`${here}/made`)).toBe(true);
    expect(await shown(["-v", `${here}:/h:ro`], "touch /h/x 2>&1 | grep -c Read-only")).toBe("1");
    expect(await shown(["-v", `${here}/file:/f:z`], "cat /f")).toBe("of the host");
    expect(await shown(["-v", `${here}/file:/f:ro`], "cat /f; touch /f 2>&1 | grep -c Read-only")).toBe("of the host\n1");
    await shown(["-v", `${here}/not/there:/n:cached`], "touch /n/x");
    expect(statSync(`${here}/not/there/x`).isFile()).toBe(true);
  });
  it("--mount type=bind: readonly, nonrecursive, consistency ignored, a source that must exist", async () => {
    await ok("mount", ["-t", "tmpfs", "inner", `${here}/sub`]);
    try {
      writeFileSync(`${here}/sub/inner`, "");
      expect(await shown(["--mount", `type=bind,src=${here},dst=/h,readonly,consistency=cached`], "ls /h/sub; touch /h/x 2>&1 | grep -c Read-only")).toBe("inner\n1");
      expect(await shown(["--mount", `type=bind,src=${here},dst=/h,bind-recursive=disabled`], "ls /h/sub | wc -l")).toBe("0");
    } finally { await ok("umount", [`${here}/sub`]); }
    expect(await refused("--mount", `type=bind,src=${here}/absent,dst=/h`)).toContain(`bind source path does not exist: ${here}/absent`);
    expect(existsSync(`${here}/absent`)).toBe(false);
  });
  onNewKernels("read-only with all that is mounted below, unless that is not wanted or the client is of before 1.44", async () => {
    await ok("mount", ["-t", "tmpfs", "inner", `${here}/sub`]);
    const below = "touch /h/x 2>&1 | grep -c Read-only; touch /h/sub/x 2>&1 | grep -c Read-only; true";
    const mount = `type=bind,src=${here},dst=/h,readonly`;
    try {
      expect(await shown(["-v", `${here}:/h:ro`], below)).toBe("1\n1");
      expect(await shown(["--mount", mount], below)).toBe("1\n1");
      expect(await shown(["--mount", `${mount},bind-recursive=readonly,bind-propagation=rprivate`], below)).toBe("1\n1");
      expect(await shown(["--mount", `${mount},bind-recursive=writable`], below)).toBe("1\n0");
      expect((await daemon.docker(["run", "--rm", "--mount", mount, "busybox", "sh", "-c", below], { env: { DOCKER_API_VERSION: "1.43" } })).stdout).toBe("1\n0\n");
    } finally { await ok("umount", [`${here}/sub`]); }
  });
  it("propagation: what is mounted on either side is seen on the other, where the source is shared", async () => {
    const place = bed.path("shared");
    mkdirSync(place);
    await ok("mount", ["-t", "tmpfs", "outer", place]);
    try {
      await ok("mount", ["--make-private", place]);
      for (const [mode, what] of [["shared", "a shared mount"], ["rslave", "a shared or slave mount"]] as const) {
        expect(await refused("-v", `${place}:/s:${mode}`)).toContain(`path ${place} is mounted on ${place} but it is not ${what}`);
      }
      await ok("mount", ["--make-shared", place]);
      for (const name of ["in", "out"]) mkdirSync(`${place}/${name}`);
      await daemon.dockerOk("run", "-d", "--name", "both", "--privileged", "-v", `${place}:/s:rshared`, "busybox", "sleep", "1000");
      await daemon.dockerOk("exec", "--privileged", "both", "mount", "-t", "tmpfs", "inside", "/s/in");
      expect(readFileSync("/proc/self/mountinfo", "utf8")).toContain(` ${place}/in `);
      await daemon.dockerOk("run", "-d", "--name", "one", "--privileged", "--mount", `type=bind,src=${place},dst=/s,bind-propagation=rslave`, "busybox", "sleep", "1000");
      await ok("mount", ["-t", "tmpfs", "outside", `${place}/out`]);
      for (const name of ["both", "one"]) expect(await daemon.dockerOk("exec", name, "grep", "-c", "^outside /s/out ", "/proc/mounts")).toBe("1");
      await daemon.dockerOk("exec", "--privileged", "one", "busybox", "umount", "/s/in");
      expect(readFileSync("/proc/self/mountinfo", "utf8")).toContain(` ${place}/in `);
      expect((await daemon.inspect("one")).Mounts[0]).toMatchObject({ Type: "bind", Source: place, Destination: "/s", RW: true, Propagation: "rslave" });
      await daemon.removeContainers();
    } finally {
      for (const path of [`${place}/in`, `${place}/out`]) await ok("umount", [path]).catch(() => undefined);
      await ok("umount", ["-l", place]);
    }
  });
});

describe("volumes", () => {
  it("-v and --mount: named, anonymous, read-only, nocopy, subpath, labels and driver", async () => {
    expect(await shown(["-v", "copied:/etc"], "ls /etc | grep -c passwd")).toBe("1");
    expect(await shown(["-v", "bare:/etc:nocopy"], "ls /etc | grep -c passwd; true")).toBe("0");
    expect(await shown(["--mount", "type=volume,src=bare2,dst=/etc,volume-nocopy"], "ls /etc | grep -c passwd; true")).toBe("0");
    expect(await shown(["-v", "copied:/c:ro"], "touch /c/x 2>&1 | grep -c Read-only")).toBe("1");
    await shown(["--mount", "type=volume,src=parts,dst=/v,volume-label=tier=1,volume-driver=local"], "mkdir -p /v/a/b && echo deep > /v/a/b/c");
    expect(await shown(["--mount", "type=volume,src=parts,dst=/v,volume-subpath=a/b,readonly"], "cat /v/c; touch /v/x 2>&1 | grep -c Read-only")).toBe("deep\n1");
    expect((await daemon.inspect("parts", "volume")).Labels).toEqual({ tier: "1" });
    await daemon.dockerOk("run", "--name", "anon", "-v", "/data", "--mount", "type=volume,dst=/more", "busybox", "touch", "/data/x", "/more/y");
    const { Mounts } = await daemon.inspect("anon");
    expect(Mounts.map((m: { Type: string; Driver: string; RW: boolean }) => [m.Type, m.Driver, m.RW])).toEqual([["volume", "local", true], ["volume", "local", true]]);
    await daemon.dockerOk("rm", "-v", "anon");
    expect(await daemon.dockerOk("volume", "ls", "-q")).toBe("bare\nbare2\ncopied\nparts");
  });
  it("--volumes-from lends all mounts, read-only when asked", async () => {
    await daemon.dockerOk("create", "--name", "donor", "-v", "lent:/d", "-v", `${here}:/h:ro`, "busybox", "true");
    expect(await shown(["--volumes-from", "donor"], "touch /d/x && ls /d; touch /h/x 2>&1 | grep -c Read-only")).toBe("x\n1");
    expect(await shown(["--volumes-from", "donor:ro"], "touch /d/y 2>&1 | grep -c Read-only")).toBe("1");
    expect(await refused("--volumes-from", "donor:bad")).toContain("invalid mode for volumes-from: bad");
    expect(await refused("--volumes-from", "nobody")).toContain("No such container: nobody");
  });
  it("--read-only leaves mounts writable; --volume-driver", async () => {
    expect(await shown(["--read-only", "-v", "words:/w", "--tmpfs", "/t"], "touch /w/x /t/x /dev/shm/x && touch /y 2>&1 | grep -c Read-only")).toBe("1");
    expect(await refused("-v", "vol:/v", "--volume-driver", "no-such-driver")).toContain('plugin "no-such-driver" not found');
  });
});

describe("refusals", () => {
  const wrong: [args: string[], words: string | RegExp][] = [
    [["-v", "/a:/b:/c:/d"], "too many colons"], [["-v", "/a:/b:bad"], "invalid mode: bad"], [["-v", "name:/b:shared"], "invalid mode: shared"], [["-v", "/a:/b:ro,rw"], "invalid mode: ro,rw"],
    [["-v", "/a:relative"], "mount path must be absolute"], [["-v", "vol:/"], "destination can't be '/'"], [["-v", "a/b:/x"], /includes invalid characters for a local volume name/],
    [["-v", "/a:/x", "-v", "/b:/x"], "Duplicate mount point: /x"], [["--mount", "type=volume,dst=relative"], "must be absolute"], [["--mount", "type=volume,src=v,dst=/"], "destination can't be '/'"],
    [["--mount", "type=image,src=busybox,dst=/i"], "mounting images is not supported"], [["--mount", "type=volume,src=v,dst=/v,volume-driver=no-such"], 'plugin "no-such" not found'], [["--mount", "type=bind,src=relative,dst=/x"], "must be absolute"],
  ];
  for (const [args, words] of wrong) it(args.join(" "), async () => {
    expect(await refused(...args)).toMatch(words);
    expect(await daemon.dockerOk("volume", "ls", "-q")).toBe("");
  });
});
