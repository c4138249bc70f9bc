import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { type Daemon, type Result, TestBed, daemonNeeds, needs, ok, run } from "../helpers/index.js";

const it = needs(...daemonNeeds, "docker");
const program = resolve(__dirname, "../../../packages/cli/bin/strata.js");

let bed: TestBed;
let daemon: Daemon;
let root: string;
beforeAll(async () => {
  root = mkdtempSync(join(tmpdir(), "strata-build-cli-"));
  bed = await TestBed.create();
  daemon = await bed.daemonWithBusybox();
}, 120_000);
afterAll(async () => {
  await bed.close();
  rmSync(root, { recursive: true, force: true });
}, 60_000);

const env = (): NodeJS.ProcessEnv => ({ ...daemon.env(), STRATA_HOST: `unix://${daemon.socket}` });
const strata = (args: readonly string[], input?: string): Promise<Result> => run(process.execPath, [program, ...args], { env: env(), ...(input === undefined ? {} : { input }) });
const strataOk = (...args: string[]): Promise<string> => ok(process.execPath, [program, ...args], { env: env() });

function context(name: string, files: Readonly<Record<string, string>>): string {
  for (const [file, content] of Object.entries(files)) {
    mkdirSync(dirname(join(root, name, file)), { recursive: true });
    writeFileSync(join(root, name, file), content);
  }
  return join(root, name);
}

describe("strata build", () => {
  it("packs what .dockerignore leaves, builds the stage asked for, gives every name", async () => {
    const path = context("app", {
      Dockerfile: "FROM busybox AS base\nARG WHO=nobody\nENV WHO=${WHO%y}\nCOPY . /app/\nFROM base AS more\nRUN echo more > /more\nFROM more\nRUN exit 1\n",
      ".dockerignore": "secret\n**/*.md\n!keep.md\n", "secret/key": "k", "sub/a.md": "", "sub/b.txt": "b", "keep.md": "kept",
    });
    const result = await strata(["build", "-t", "app:1", "-t", "app:2", "--target", "more", "--build-arg", "WHO=body", "--label", "l=v", "--iidfile", join(root, "iid"), path]);
    expect(result).toMatchObject({ code: 0, stderr: "" });
    expect(result.stdout).toMatch(/Successfully tagged app:2/);
    expect(await strataOk("inspect", "-f", "{{.Id}} {{index .Config.Labels \"l\"}}", "app:2")).toBe(`${readFileSync(join(root, "iid"), "utf8")} v`);
    expect(await strataOk("run", "--rm", "app:1", "sh", "-c", "echo $WHO; cat /more; cd /app; find . -type f | sort")).toBe("bod\nmore\n./.dockerignore\n./Dockerfile\n./keep.md\n./sub/b.txt");
  }, 120_000);

  it("takes the Dockerfile from standard input or from elsewhere, and a context from a tar", async () => {
    const path = context("in", { x: "x" });
    writeFileSync(join(root, "elsewhere"), "FROM busybox\nCOPY x /x\nCMD cat /x\n");
    for (const [args, input] of [[["-f", "-", path], "FROM busybox\nCOPY x /x\nCMD cat /x\n"], [["-f", join(root, "elsewhere"), path], undefined]] as const) {
      const { code, stdout, stderr } = await strata(["build", "-q", ...args], input);
      expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
      expect(stdout).toMatch(/^sha256:[0-9a-f]{64}\n$/);
      expect(await strataOk("run", "--rm", stdout.trim())).toBe("x");
    }
    expect((await strata(["build", "-q", "-"], "FROM busybox\nRUN <<E\necho here > /h\nE\n")).code).toBe(0);
  }, 120_000);

  it("ends with a step's status, and says which line is wrong", async () => {
    const path = context("bad", { Dockerfile: "FROM busybox\nRUN exit 7\n" });
    // Without --force-rm the container of the step that failed stays, to be looked at.
    const failed = await strata(["build", "--force-rm", path]);
    expect(failed.code).toBe(7);
    expect(failed.stderr).toMatch(/exit 7.*returned a non-zero code: 7/);
    for (const [text, message] of [["FROM busybox\n\nRUM x\n", "dockerfile parse error on line 3: unknown instruction: RUM (did you mean RUN?)\n  3 | RUM x"], ["# nothing\n", "file with no instructions"], ["FROM busybox\nCOPY --frm=x a b\n", "unknown flag: --frm (did you mean from?)\n  2 | COPY --frm=x a b"]] as const) {
      const { code, stderr } = await strata(["build", "-"], text);
      expect({ code, stderr }).toEqual({ code: 1, stderr: expect.stringContaining(message) });
    }
    expect(await strataOk("ps", "-aq")).toBe("");
  }, 120_000);

  it("empties the build cache", async () => {
    expect(await strataOk("builder", "prune", "-af")).toMatch(/Total reclaimed space: /);
  }, 60_000);
});
