import { execFileSync } from "node:child_process";
import { chmodSync, existsSync, linkSync, lstatSync, mkdirSync, mkdtempSync, readFileSync, readlinkSync, rmSync, symlinkSync, utimesSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Readable } from "node:stream";
import { extract } from "./extract.js";
import { planCopy, readSide } from "./places.js";
import { tarOf } from "./tar-write.js";

let here: string;
beforeEach(() => { here = mkdtempSync(join(tmpdir(), "strata-copy-")); });
afterEach(() => rmSync(here, { recursive: true, force: true }));
const at = (...parts: string[]): string => join(here, ...parts);

const LONG = "n".repeat(150);
function tree(): string {
  mkdirSync(at("from", "sub", LONG), { recursive: true });
  writeFileSync(at("from", "file"), "x".repeat(1000));
  writeFileSync(at("from", "sub", LONG, "é"), "deep");
  writeFileSync(at("from", "empty"), "");
  symlinkSync(`../${LONG}/${LONG}`, at("from", "link"));
  chmodSync(at("from", "file"), 0o640);
  utimesSync(at("from", "sub"), 1_000_000_000, 1_000_000_000);
  return at("from");
}

test("what is packed here is what tar(1) packs, and comes out as it went in", async () => {
  const listing = execFileSync("tar", ["-tv"], { input: Buffer.concat(await collect(tarOf(tree(), "renamed", false))) }).toString();
  expect(listing.split("\n").map((line) => line.replace(/^.*?(renamed)/, "$1")).filter(Boolean)).toEqual([
    "renamed/", "renamed/empty", "renamed/file", `renamed/link -> ../${LONG}/${LONG}`, "renamed/sub/", `renamed/sub/${LONG}/`, expect.stringMatching(new RegExp(`^renamed/sub/${LONG}/`)),
  ]);
  await extract(tarOf(at("from"), "renamed", false), here, { from: "renamed", to: "to" });
  expect([readFileSync(at("to", "file"), "utf8").length, readFileSync(at("to", "sub", LONG, "é"), "utf8"), readlinkSync(at("to", "link")), lstatSync(at("to", "file")).mode & 0o777, lstatSync(at("to", "sub")).mtimeMs])
    .toEqual([1000, "deep", `../${LONG}/${LONG}`, 0o640, 1_000_000_000_000]);
});

test.each(["--format=gnu", "--format=pax", "--format=ustar"])("archives of tar(1) come out: %s", async (format) => {
  mkdirSync(at("from", "a"), { recursive: true });
  writeFileSync(at("from", "a", "f"), "text");
  linkSync(at("from", "a", "f"), at("from", "a", "hard"));
  if (format !== "--format=ustar") writeFileSync(at("from", LONG), "long");
  mkdirSync(at("to"));
  await extract(Readable.from([execFileSync("tar", ["-C", here, format, "-c", "from"])]), at("to"));
  expect(readFileSync(at("to", "from", "a", "hard"), "utf8")).toBe("text");
  expect(lstatSync(at("to", "from", "a", "f")).nlink).toBe(2);
  expect(existsSync(at("to", "from", LONG))).toBe(format !== "--format=ustar");
});

test("an archive cannot write outside, nor put a directory in the place of a file", async () => {
  mkdirSync(at("evil"));
  symlinkSync(at("outside"), at("evil", "door"));
  mkdirSync(at("outside"));
  mkdirSync(at("to"));
  const archive = (...args: string[]): Readable => Readable.from([execFileSync("tar", ["-P", "-c", ...args])]);
  writeFileSync(at("outside", "x"), "");
  const through = archive("-C", at("evil"), "door", "--transform", "s,^.*outside,door,", at("outside", "x"));
  await expect(extract(through, at("to"))).rejects.toThrow("behind a symlink of the archive");
  await expect(extract(archive("--transform", "s,^.*outside,../up,", at("outside", "x")), at("to"))).rejects.toThrow("leads out of the archive");
  expect(existsSync(at("up"))).toBe(false);
  writeFileSync(at("to", "outside"), "a file");
  await expect(extract(archive("-C", here, "outside"), at("to"))).rejects.toThrow("cannot overwrite");
  await expect(extract(Readable.from([Buffer.alloc(700)]), at("to"))).resolves.toBeUndefined();
  await expect(extract(Readable.from([execFileSync("tar", ["-C", here, "-c", "outside"]).subarray(0, 600)]), at("new"))).rejects.toThrow();
});

test.each([
  ["box:/a", { container: "box", path: "/a" }], ["/a:b", { path: "/a:b" }], ["./a:b", { path: "./a:b" }], ["-", { path: "-" }], ["file", { path: "file" }],
])("%s", (text, side) => expect(readSide(text)).toEqual(side));

const dir = { path: "/d", exists: true, isDirectory: true }, file = { path: "/d/f", exists: true, isDirectory: false }, none = { path: "/d/new", exists: false, isDirectory: false };
test.each([
  [{ path: "a", isDirectory: false }, dir, { into: "/d" }], [{ path: "a", isDirectory: true }, dir, { into: "/d" }], [{ path: "a", isDirectory: false }, file, { into: "/d", rename: { from: "a", to: "f" } }],
  [{ path: "x/a", isDirectory: true }, none, { into: "/d", rename: { from: "a", to: "new" } }], [{ path: "a/.", isDirectory: true }, { ...none, path: "/d/new/" }, { into: "/d", rename: { from: ".", to: "new" } }],
])("%j to %j", (source, destination, plan) => expect(planCopy(source, destination)).toEqual(plan));
test("what cannot be copied", () => {
  expect(() => planCopy({ path: "a", isDirectory: true }, file)).toThrow("cannot copy directory");
  expect(() => planCopy({ path: "a", isDirectory: false }, { ...none, path: "/d/new/" })).toThrow("no such directory");
});

async function collect(stream: Readable): Promise<Buffer[]> {
  const parts: Buffer[] = [];
  for await (const part of stream as AsyncIterable<Buffer>) parts.push(part);
  return parts;
}
