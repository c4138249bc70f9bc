import { existsSync, readFileSync, readdirSync, rmSync } from "node:fs";
import { join, resolve } from "node:path";
import { type Daemon, type Result, type TestBed } from "../helpers/index.js";
import { type Project } from "./checkouts.js";

/** One test of a client's own suite. `detail`: why it failed or was skipped, in the suite's words. */
export interface Outcome { readonly name: string; readonly status: "passed" | "failed" | "skipped"; readonly detail: string }

/** A file's tests as far as they came. */
export interface FileRun { readonly result: Result; readonly outcomes: Outcome[] }

export interface Suite {
  readonly project: Project;
  files(folder: string): string[];
  run(folder: string, file: string, bed: TestBed, daemon: Daemon): Promise<FileRun>;
}

/** A file may take so long; what has not ended then hangs. */
const FILE_LIMIT_MS = 600_000;
/** What no part of Strata is: see ARCHITECTURE.md. */
const absent = /swarm|service|secret|config|node|plugin/;

const dockerPy: Suite = {
  project: {
    name: "docker-py", version: "7.2.0", url: "https://github.com/docker/docker-py",
    prepare: [
      ["python3", "-m", "venv", ".venv"],
      [".venv/bin/python", "-m", "pip", "install", "-q", "pytest==7.4.4", "pytest-timeout==2.4.0", "requests", "urllib3", "websocket-client", "paramiko"],
    ],
  },
  files: (folder) => readdirSync(join(folder, "tests/integration"), { recursive: true, encoding: "utf8" }).filter((name) => name.endsWith("_test.py") && !absent.test(name)).sort(),
  async run(folder, file, bed, daemon) {
    const report = bed.path("report");
    rmSync(report, { force: true });
    const result = await bed.netns.run(join(folder, ".venv/bin/python"), ["-m", "pytest", "-p", "report", "-q", "--tb=short", "--timeout=120", join("tests/integration", file)], {
      cwd: folder, timeoutMs: FILE_LIMIT_MS, env: { ...daemon.env(), STRATA_REPORT: report, PYTHONPATH: `${resolve(__dirname, "../../clients")}:${folder}`, PYTHONDONTWRITEBYTECODE: "1" },
    });
    const ended = new Map<string, Outcome>();
    const lines = existsSync(report) ? readFileSync(report, "utf8").trim().split("\n").map((line) => JSON.parse(line) as Outcome & { when: string }) : [];
    // A test is set up, run and torn down; each of these can fail it.
    for (const { name, status, detail } of lines) {
      const before = ended.get(name);
      ended.set(name, { name: name.replace("tests/integration/", ""), status, detail: [before?.detail, detail].filter(Boolean).join("\n") });
    }
    return { result, outcomes: [...ended.values()] };
  },
};

interface MochaTest { readonly fullTitle: string; readonly err: { readonly message?: string; readonly stack?: string } }
interface MochaReport { readonly passes: readonly MochaTest[]; readonly failures: readonly MochaTest[]; readonly pending: readonly MochaTest[] }

const dockerode: Suite = {
  project: { name: "dockerode", version: "v5.0.1", url: "https://github.com/apocas/dockerode", prepare: [["npm", "ci", "--no-audit", "--no-fund", "--ignore-scripts", "--loglevel=error"]] },
  files: (folder) => readdirSync(join(folder, "test")).filter((name) => name.endsWith(".js") && name !== "spec_helper.js" && !absent.test(name)).sort(),
  async run(folder, file, bed, daemon) {
    const report = bed.path("report");
    rmSync(report, { force: true });
    // A socket that is none makes its helper take DOCKER_HOST.
    const result = await bed.netns.run(process.execPath, ["node_modules/mocha/bin/mocha.js", "--exit", "--reporter=json", `--reporter-option=output=${report}`, `test/${file}`], {
      cwd: folder, timeoutMs: FILE_LIMIT_MS, env: { ...daemon.env(), DOCKER_SOCKET: "x" },
    });
    if (!existsSync(report)) return { result, outcomes: [] };
    const { passes, failures, pending } = JSON.parse(readFileSync(report, "utf8")) as MochaReport;
    const all = (tests: readonly MochaTest[], status: Outcome["status"]): Outcome[] => tests.map(({ fullTitle, err }) => ({ name: `${file} ${fullTitle}`, status, detail: err.stack ?? err.message ?? "" }));
    return { result, outcomes: [...all(passes, "passed"), ...all(failures, "failed"), ...all(pending, "skipped")] };
  },
};

export const suites: readonly Suite[] = [dockerPy, dockerode];
