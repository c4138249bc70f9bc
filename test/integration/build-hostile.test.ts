import { gzipSync } from "node:zlib";
import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { type Daemon, type Member, agreed, daemonNeeds, needs, ok, paxRecord, setUp, tarHeader, tarOfMembers } from "../helpers/index.js";

/** Contexts that mean harm: each is refused, or does what it does inside the image; nothing is left behind. */
const it = needs(...daemonNeeds, "docker");
jest.setTimeout(120_000);

let daemon: Daemon;
setUp(async (bed) => { daemon = await bed.daemonWithBusybox(); });
afterEach(async () => {
  expect([readdirSync(join(daemon.dataRoot, "tmp")), await daemon.dockerOk("ps", "-aq")]).toEqual([[], ""]);
  await agreed(daemon);
});

interface Sent { readonly status: number; readonly built: boolean; readonly said: string }
async function post(body: Buffer, query: Readonly<Record<string, string | number>> = {}): Promise<Sent> {
  const { status, text, json } = await daemon.api("POST", "/build", { query: { t: "hostile", forcerm: 1, ...query }, body, headers: { "Content-Type": "application/x-tar" } });
  return { status, built: status === 200 && text.includes("Successfully built"), said: status === 200 ? text : (json as { message: string }).message };
}
type Piece = Member | { readonly raw: Buffer };
const dockerfile = (...lines: string[]): Member => ({ name: "Dockerfile", data: `FROM busybox\n${lines.join("\n")}\n` });
const send = (lines: readonly string[], ...members: readonly Piece[]): Promise<Sent> => post(tarOfMembers([dockerfile(...lines), ...members]));
const inside = (...command: string[]): Promise<string> => daemon.dockerOk("run", "--rm", "--network=none", "hostile", ...command);
const header = (name: string, type: string, size: number): Piece => ({ raw: tarHeader(name, type, size) });
const body = (data: Buffer | string): Piece => ({ raw: Buffer.concat([Buffer.from(data as string), Buffer.alloc((512 - (Buffer.byteLength(data) % 512)) % 512)]) });
const packed = (records: Buffer): Piece[] => [header("pax", "x", records.length), body(records)];
const pax = (...records: readonly [key: string, value: string][]): Piece[] => packed(Buffer.concat(records.map(([key, value]) => paxRecord(key, Buffer.from(value)))));

describe("names and links", () => {
  it("that lead upwards are refused", async () => {
    for (const name of ["../out", "a/../../out", "../../../../etc/cron.d/x", "./../x"]) expect(await send(["COPY . /got"], { name, data: "x" })).toMatchObject({ status: 400, said: expect.stringContaining("leaves the root") });
  });

  it("that are absolute, or wind about, stay in the context", async () => {
    expect(await send(["COPY . /got"], { name: "/etc/strata-planted", data: "x" }, { name: "//b//./c", data: "y" }, { name: "a/../d", data: "z" })).toMatchObject({ built: true });
    expect(await inside("sh", "-c", "cd /got; find . -type f | sort")).toBe("./Dockerfile\n./b/c\n./d\n./etc/strata-planted");
    expect(existsSync("/etc/strata-planted")).toBe(false);
  });

  it("that no file system has are refused", async () => {
    expect(await send(["COPY . /got"], { name: "n".repeat(256), data: "" })).toMatchObject({ status: 400, said: expect.stringContaining("longer than a file name") });
    expect(await send(["COPY . /got"], { name: "p/".repeat(2100), data: "" })).toMatchObject({ status: 400, said: expect.stringContaining("longer than a path") });
    expect(await send(["COPY . /got"], ...pax(["path", "a\0b"]), { name: "x" })).toMatchObject({ status: 400, said: expect.stringContaining("NUL") });
  });

  it("symlinks, copied or followed, end in the context and in the image", async () => {
    expect(await send(["COPY l/shadow /got"], { name: "l", type: "symlink", link: "/etc" })).toMatchObject({ built: false, said: expect.stringContaining("file does not exist") });
    expect(await send(["COPY l /got"], { name: "l", type: "symlink", link: "../../../../../../etc/shadow" })).toMatchObject({ built: false, said: expect.stringContaining("file does not exist") });
    expect(await send(["COPY d /got"], { name: "d/" }, { name: "d/l", type: "symlink", link: "/etc/passwd" }, { name: "d/up", type: "symlink", link: "../../../../etc" })).toMatchObject({ built: true });
    // They are copied as they are: what they lead to is the image's own.
    expect(await inside("sh", "-c", "readlink /got/up; grep -c . /got/l; ls /got/up/shadow 2>&1 || true")).toBe("../../../../etc\n3\nls: /got/up/shadow: No such file or directory");
    expect(await send(["COPY a /got/"], { name: "a", type: "symlink", link: "b" }, { name: "b", type: "symlink", link: "a" })).toMatchObject({ built: false, said: expect.stringContaining("symbolic links") });
    // A directory that becomes a symlink takes nothing along.
    expect(await send(["COPY . /got"], { name: "w/" }, { name: "w/x", data: "x" }, { name: "w", type: "symlink", link: "/tmp" }, { name: "w/strata-escaped", data: "x" })).toMatchObject({ said: expect.any(String) });
    expect(existsSync("/tmp/strata-escaped")).toBe(false);
  });

  it("a Dockerfile and an ignore file are read in the context and nowhere else", async () => {
    expect(await post(tarOfMembers([{ name: "Dockerfile", type: "symlink", link: "/etc/passwd" }]))).toMatchObject({ status: 400, said: expect.stringContaining("Cannot locate specified Dockerfile") });
    expect(await post(tarOfMembers([{ name: "Dockerfile", type: "symlink", link: "real" }, { name: "real", data: "FROM busybox\n" }]))).toMatchObject({ built: true });
    expect(await post(tarOfMembers([{ name: "Dockerfile/" }]))).toMatchObject({ status: 400 });
    expect(await post(tarOfMembers([{ name: "Dockerfile", type: "fifo" }]))).toMatchObject({ status: 400 });
    expect(await post(tarOfMembers([{ name: "Dockerfile", type: "char", device: [1, 5] }]))).toMatchObject({ status: 400 });
    for (const name of ["../../../../etc/passwd", "/etc/passwd", "l"]) expect(await post(tarOfMembers([dockerfile(), { name: "l", type: "symlink", link: "/etc/passwd" }]), { dockerfile: name })).toMatchObject({ status: 400, built: false });
    expect(await send(["COPY . /got"], { name: ".dockerignore", type: "symlink", link: "/etc/passwd" })).toMatchObject({ said: expect.any(String) });
    expect(await post(tarOfMembers([{ name: "Dockerfile", data: `FROM busybox\nLABEL l=${"x".repeat(5 << 20)}\n` }]))).toMatchObject({ status: 400, said: expect.stringContaining("more than") });
  });

  it("hard links to what is not in the context are refused", async () => {
    for (const link of ["/etc/passwd", "../../etc/passwd", "nothing", "later"]) {
      expect(await send(["COPY . /got"], { name: "h", type: "hardlink", link }, { name: "later", data: "x" })).toMatchObject({ status: 400, said: expect.stringMatching(/hard link|leaves the root/) });
    }
    // One to a symlink is a symlink; none is followed.
    expect(await send(["COPY h /got"], { name: "l", type: "symlink", link: "/etc/passwd" }, { name: "h", type: "hardlink", link: "l" })).toMatchObject({ built: false, said: expect.stringContaining("file does not exist") });
  });
});

describe("what is no file", () => {
  it("a device is of no use, in a RUN's mount and in the image", async () => {
    const reads = "for d in disk mem; do head -c 1 /x/$d 2>&1 | grep -cE 'not permitted|denied'; done";
    const devices: Piece[] = [{ name: "dev/" }, { name: "dev/disk", type: "block", device: [7, 0], mode: 0o666 }, { name: "dev/mem", type: "char", device: [1, 1], mode: 0o666 }];
    const sent = await send([`RUN --mount=type=bind,source=dev,target=/x ${reads} > /said`, "COPY dev /x"], ...devices);
    expect(sent).toMatchObject({ built: true });
    expect(await inside("sh", "-c", `cat /said; ${reads}`)).toBe("1\n1\n1\n1");
  });

  it("a FIFO is copied, and waits for nobody", async () => {
    expect(await send(["COPY . /got"], { name: "f", type: "fifo" })).toMatchObject({ built: true });
    expect(await inside("sh", "-c", "test -p /got/f && echo fifo")).toBe("fifo");
  });

  it("names that layers use for themselves are refused", async () => {
    for (const name of [".wh.etc", ".wh..wh..opq", "d/.wh.x"]) expect(await send(["COPY . /"], { name, data: "" })).toMatchObject({ built: false, said: expect.stringContaining(".wh.") });
    expect(await inside("ls", "/etc/passwd")).toBe("/etc/passwd");
  });
});

describe("archives that lie", () => {
  it("headers of absurd size, without end, or with what they cannot hold", async () => {
    for (const type of ["x", "L", "K", "g"]) expect(await send([], header("big", type, 2 ** 31))).toMatchObject({ status: 400, said: expect.stringContaining("extension header") });
    const many = Array.from({ length: 20 }, () => pax(["comment", "c".repeat(500_000)])).flat();
    expect(await send([], ...many)).toMatchObject({ status: 400, said: expect.stringContaining("too many extension headers") });
    expect(await send([], ...packed(Buffer.from("99 path=x\n")), { name: "x" })).toMatchObject({ status: 400, said: expect.stringContaining("pax") });
    expect(await send(["COPY f /f"], ...pax(["size", "-100"]), { name: "f" })).toMatchObject({ status: 400, said: expect.stringContaining("negative") });
    // More than a file can carry: the layer is not made.
    expect(await send(["COPY f /f"], { name: "f", data: "x", xattrs: { "user.big": Buffer.alloc(200_000) } })).toMatchObject({ built: false });
  });

  it("much that is said of files, in few bytes", async () => {
    const members = Array.from({ length: 80 }, (_, i): Member => ({ name: `f${i}`, data: "", xattrs: { "user.big": Buffer.alloc(900_000) } }));
    const bomb = gzipSync(tarOfMembers([dockerfile("COPY . /got"), ...members]), { level: 1 });
    expect(bomb.length).toBeLessThan(1_000_000);
    expect(await post(bomb)).toMatchObject({ status: 400, said: expect.stringContaining("too much is said") });
  });

  it("a member that is larger than all there is", async () => {
    expect(await send([], header("huge", "0", 8 * 2 ** 30 - 1))).toMatchObject({ status: 400, said: expect.stringMatching(/unexpected end/) });
    expect(await send([], ...pax(["size", "9007199254740991"]), header("huge", "0", 0))).toMatchObject({ status: 400, said: expect.stringMatching(/more than|unexpected end/) });
    // A hole costs nothing, however large it says it is.
    const sparse = [...pax(["GNU.sparse.major", "1"], ["GNU.sparse.minor", "0"], ["GNU.sparse.realsize", "1000000000000"]), header("sparse", "0", 512), body("0\n".padEnd(512, "\0"))];
    expect(await send(["COPY sparse /sparse"], ...sparse)).toMatchObject({ built: true });
    expect(await inside("stat", "-c", "%s", "/sparse")).toBe("1000000000000");
    expect(Number((await ok("du", ["-xs", "--block-size=1", daemon.dataRoot])).split("\t")[0])).toBeLessThan(200e6);
  });

  it("cut off anywhere", async () => {
    const whole = tarOfMembers([dockerfile("COPY big /big"), { name: "big", data: Buffer.alloc(100_000, 1) }]);
    for (const at of [0, 100, 511, 600, 1024 + 100, 1024 + 512 + 50_000]) expect({ at, ...await post(whole.subarray(0, at)) }).toMatchObject({ at, status: 400, built: false });
    // Without the trailer all is there.
    expect(await post(whole.subarray(0, -1024))).toMatchObject({ built: true });
    const zipped = gzipSync(whole);
    for (const at of [5, 20, zipped.length - 4]) expect({ at, ...await post(zipped.subarray(0, at)) }).toMatchObject({ at, status: 400, built: false });
    expect(await post(Buffer.concat([zipped.subarray(0, 30), Buffer.alloc(30, 0xff), zipped.subarray(60)]))).toMatchObject({ status: 400, built: false });
  });

  it("sums and numbers that are wrong", async () => {
    const whole = tarOfMembers([dockerfile("COPY f /f"), { name: "f", data: "x" }]);
    const changed = (at: number, text: string): Buffer => { const copy = Buffer.from(whole); copy.write(text, at, "latin1"); return copy; };
    expect(await post(changed(1024, "g"))).toMatchObject({ status: 400, said: expect.stringContaining("checksum") });
    expect(await post(changed(1024 + 124, "zzzz"))).toMatchObject({ status: 400 });
    expect(await post(changed(1024 + 156, "V"))).toMatchObject({ status: 400 });
    expect(await post(Buffer.from("PK\u0003\u0004 this is no tar".padEnd(2048)))).toMatchObject({ status: 400 });
  });

  it("one inside another, for ADD", async () => {
    const escape = tarOfMembers([{ name: "../../strata-escaped", data: "x" }]), absolute = tarOfMembers([{ name: "/etc/planted", data: "x" }, { name: "l", type: "symlink", link: "/tmp" }, { name: "l/strata-escaped", data: "x" }]);
    const escaped = await send(["ADD in.tar /got/"], { name: "in.tar", data: escape });
    if (escaped.built) expect(await inside("sh", "-c", "ls -R /got /strata-escaped 2>/dev/null | grep -c strata-escaped || true")).not.toBe("");
    await send(["ADD in.tar /got/"], { name: "in.tar", data: absolute });
    expect(existsSync("/strata-escaped") || existsSync("/tmp/strata-escaped") || existsSync("/etc/planted")).toBe(false);
    expect(await send(["ADD in.tar /got/"], { name: "in.tar", data: tarOfMembers([{ name: "f", data: Buffer.alloc(5000) }]).subarray(0, 2000) })).toMatchObject({ status: 200 });
  });
});

it("patterns that would be matched for ever are not", async () => {
  const names = Array.from({ length: 200 }, (_, i): Member => ({ name: `${"a".repeat(200)}${i}`, data: "" }));
  expect(await send([`COPY ${"a*".repeat(40)}b /got/`], ...names)).toMatchObject({ built: false, said: expect.stringContaining("line 2") });
  expect(await send([`COPY --exclude=${"**/a*".repeat(30)}b . /got/`], ...names)).toMatchObject({ built: true });
  expect(await send(["COPY . /got/"], { name: ".dockerignore", data: `${"**/".repeat(50)}${"a*".repeat(40)}b\n` }, ...names)).toMatchObject({ built: true });
});

it("a hundred thousand files are a context like any other", async () => {
  const members = Array.from({ length: 100_000 }, (_, i): Member => ({ name: `f/${i % 100}/${i}`, data: "" }));
  expect(await post(tarOfMembers([dockerfile("COPY f/7/99907 /one", "COPY f /all"), ...members]))).toMatchObject({ built: true });
  expect(await inside("sh", "-c", "find /all -type f | wc -l; ls /one")).toBe("100000\n/one");
}, 300_000);
