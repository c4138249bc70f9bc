import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { type Source, cycles, root, sourcesOf } from "./sources.js";

const isTest = (source: Source): boolean => /\.test\.ts$|\/(testing|conformance)(\/|\.ts$)/.test(source.path);
const all = readdirSync(join(root, "packages")).filter((name) => existsSync(join(root, "packages", name, "src"))).flatMap((name) => sourcesOf(`packages/${name}/src`));
const code = all.filter((source) => !isTest(source));
const daemon = code.filter((source) => source.path.startsWith("packages/daemon/src/"));

/** What each folder of the daemon may import, besides itself. Files at its root: see `atRoot`. */
const mayImport: Readonly<Record<string, readonly string[]>> = {
  api: ["services", "core"],
  services: ["builder", "distribution", "gc", "core"],
  builder: ["archive", "core"],
  distribution: ["archive", "core"],
  gc: ["archive", "db", "core"],
  stores: ["db", "archive", "kernel", "core"],
  drivers: ["archive", "kernel", "core"],
  archive: ["kernel", "core"],
  db: ["core"],
  kernel: ["core"],
  core: [],
};
/** Files beside main.ts: the configuration knows nobody, index.ts shows the words to others, the rest is main.ts cut into parts. */
function allowedAtRoot(file: string): readonly string[] | undefined {
  if (/^config(-\w+)*\.ts$/.test(file)) return ["core"];
  return file === "index.ts" ? ["services", "core"] : undefined;
}
const packages: Readonly<Record<string, readonly string[]>> = {
  oci: [], daemon: ["oci"], client: [], cli: ["client", "oci"], registry: ["oci"], console: ["client"],
};

const folderOf = (path: string): string => path.slice("packages/daemon/src/".length).split("/")[0]!;
const inDaemon = (path: string): boolean => path.startsWith("packages/daemon/src/");

test("imports inside the daemon run down the ranks", () => {
  const wrong: string[] = [];
  for (const source of daemon) {
    const from = folderOf(source.path);
    const atRoot = from.endsWith(".ts"), allowed = atRoot ? allowedAtRoot(from) : mayImport[from];
    if (!allowed) { if (!atRoot) wrong.push(`${source.path}: no rank for ${from}`); continue; }
    for (const target of source.imports.filter(inDaemon)) {
      const to = folderOf(target);
      const besides = to === from || (atRoot && to.startsWith("config"));
      if (!besides && !allowed.includes(to)) wrong.push(`${source.path} imports ${target}`);
    }
  }
  expect(wrong).toEqual([]);
});

test("the parts of drivers/ do not know each other", () => {
  const part = (path: string): string | undefined => /\/src\/drivers\/([^/]+)\//.exec(path)?.[1];
  const wrong = daemon.flatMap((source) => source.imports.filter((target) => part(source.path) && part(target) && part(source.path) !== part(target)).map((target) => `${source.path} imports ${target}`));
  expect(wrong).toEqual([]);
});

test("there are no import cycles", () => {
  expect(cycles(daemon, (source) => source.imports)).toEqual([]);
  expect(cycles(code, (source) => source.runtimeImports)).toEqual([]);
});

test("packages import each other as drawn, by name", () => {
  const wrong: string[] = [];
  for (const source of code) {
    const own = source.path.split("/")[1]!;
    for (const target of source.imports) {
      const other = /^@strata\/([^/]+)/.exec(target)?.[1];
      if (other && !packages[own]?.includes(other)) wrong.push(`${source.path} imports ${target}`);
      if (target.startsWith("..") || (target.startsWith("packages/") && target.split("/")[1] !== own)) wrong.push(`${source.path} reaches into ${target}`);
    }
  }
  expect(wrong).toEqual([]);
});

test("only kernel/ spawns processes or calls into libc", () => {
  const special = /^(node:)?child_process$|^koffi$/;
  const wrong = daemon.filter((source) => folderOf(source.path) !== "kernel" && source.runtimeImports.some((target) => special.test(target)));
  expect(wrong.map((source) => source.path)).toEqual([]);
});

test("HTTP stays in api/ and distribution/, SQLite in db/ and what it serves", () => {
  const wrong: string[] = [];
  for (const source of daemon) {
    const from = folderOf(source.path);
    if (source.imports.includes("express") && from !== "api" && from !== "main.ts") wrong.push(`${source.path} imports express`);
    if (source.imports.includes("better-sqlite3") && !["db", "stores", "gc"].includes(from)) wrong.push(`${source.path} imports better-sqlite3`);
  }
  expect(wrong).toEqual([]);
});

test("only api/errors.ts turns an error into a status", () => {
  // Success codes belong to their routes; what may not appear elsewhere is the vocabulary of failure.
  const failure = /\b(?:status|sendStatus|writeHead|statusCode\s*=)\s*\(?\s*(?:4\d\d|5\d\d)\b/;
  const wrong = daemon.filter((source) => source.path !== "packages/daemon/src/api/errors.ts" && failure.test(source.text));
  expect(wrong.map((source) => source.path)).toEqual([]);
});

test("no source is longer than 400 lines", () => {
  const long = all.filter((source) => source.lines > 400);
  expect(long.map((source) => `${source.path}: ${source.lines}`)).toEqual([]);
});

test("no source silences the compiler or leaves work for later", () => {
  const escape = new RegExp(["@ts-" + "ignore", "@ts-" + "nocheck", "\\bas " + "any\\b", "\\bTO" + "DO\\b", "\\bFIX" + "ME\\b"].join("|"));
  const wrong = all.filter((source) => escape.test(source.text));
  expect(wrong.map((source) => source.path)).toEqual([]);
});

describe("the checks themselves", () => {
  test("see relative imports as repository paths", () => {
    const source = all.find(({ path }) => path === "packages/daemon/src/services/types.ts");
    expect(source?.imports).toContain("packages/daemon/src/core/index.ts");
  });
  test("see a cycle", () => {
    const file = (path: string, ...imports: string[]): Source => ({ path, text: "", lines: 0, imports, runtimeImports: [] });
    const all = (source: Source): readonly string[] => source.imports;
    expect(cycles([file("a", "b"), file("b", "c"), file("c", "b")], all)).toEqual(["b → c → b"]);
    expect(cycles([file("a", "b", "c"), file("b", "c"), file("c")], all)).toEqual([]);
  });
});
