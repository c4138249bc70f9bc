// node test/dist/vm/main.js REPORT [FILTER…]: runs the suites of this folder whose names contain a filter, two guests at a time, and writes the outcomes.
import { spawn } from "node:child_process";
import { writeFileSync } from "node:fs";
import { availableParallelism } from "node:os";
import { join } from "node:path";
import { which } from "../helpers/needs.js";
import { cacheDirectory, Unavailable } from "./cache.js";
import { Guest, NODE, OVER_TIME } from "./guest.js";
import type { Outcome } from "./inside/runner.js";
import { ensureKernel, type Kernel } from "./kernel.js";
import { powerCuts } from "./power-cuts.js";
import { checkout, isBuilt, type Suite, suites, worlds } from "./suites.js";
import { builtZfs } from "./zfs.js";

/** For everything; what runs then has failed. A machine that is busy otherwise may be given more (in seconds). */
const LIMIT_MS = Number(process.env["STRATA_VM_LIMIT"] ?? 570) * 1000;
/** In each world; 20 find more, and take a quarter of an hour. */
const CUTS = Number(process.env["STRATA_VM_CUTS"] ?? 8);

const say = (text: string): void => { process.stderr.write(`strata: ${text}\n`); };
const started = Date.now();
const secondsLeft = (): number => Math.max(1, (started + LIMIT_MS - Date.now()) / 1000);

interface Task { readonly name: string; run(kernel: Kernel): Promise<Outcome[]> }
const skipped = (name: string, reason: string): Outcome => ({ name: `${name} (skipped: ${reason})`, status: "skipped", ms: 0 });

/** Its outcomes as far as it came; where it did not come to its end, that is one more: a failure unless all of the time was used up. */
async function runSuite(suite: Suite, kernel: Kernel, zfs: string | undefined): Promise<Outcome[]> {
  const tail: string[] = [];
  const guest = new Guest(`set -e\n${suite.prepare}\nexport TMPDIR=/d STRATA_TEST_EMULATED=1\ncd ${checkout}\nexec ${NODE} test/dist/vm/inside/runner.js /run/host/report ${suite.files.join(" ")}`, {
    kernel, disks: suite.disks, limit: secondsLeft(), ...(zfs !== undefined && { extra: zfs }),
    onLine: (line) => {
      if (process.env["STRATA_VM_VERBOSE"] !== undefined) say(`${suite.name}: ${line}`);
      if (tail.push(line) > 20) tail.shift();
    },
  });
  const ending = await guest.ending();
  const outcomes = (guest.read("report") ?? "").split("\n").filter(Boolean).map((line) => JSON.parse(line) as Outcome);
  guest.forget();
  if ("status" in ending && ending.status === 0) return outcomes;
  if ("died" in ending && ending.died === OVER_TIME) return [...outcomes, skipped("the rest of the suite", "no time was left")];
  return [...outcomes, { name: "comes to its end", status: "failed", ms: 0, failure: `${"died" in ending ? `the guest ended ${ending.died}` : `exit status ${ending.status}`}\n${tail.join("\n")}` }];
}

function taskOf(suite: Suite, zfs: Promise<string>): Task {
  return {
    name: suite.name,
    run: async (kernel) => {
      const missing = suite.programs.find((program) => which(program) === undefined);
      if (missing !== undefined) return [skipped("the suite", `no ${missing} on this machine`)];
      if (suite.files.length === 0) return [skipped("the suite", "this build has no such driver")];
      try { return await runSuite(suite, kernel, suite.zfs === true ? await zfs : undefined); } catch (error) {
        if (error instanceof Unavailable) return [skipped("the suite", error.message)];
        throw error;
      }
    },
  };
}

const cuts: Task = {
  name: "power cuts",
  run: async (kernel) => {
    const ready = worlds.filter(({ folder, needs }) => isBuilt(folder) && which(needs) !== undefined);
    const absent = worlds.filter((world) => !ready.includes(world)).map(({ name, folder, needs }) => skipped(name, isBuilt(folder) ? `no ${needs} on this machine` : "this build has no such driver"));
    const seed = Number(process.env["STRATA_VM_SEED"] ?? Date.now() % 1_000_000);
    say(`power cuts by seed ${seed}`);
    return [...absent, ...await powerCuts(kernel, ready, CUTS, seed, secondsLeft, (line) => { if (process.env["STRATA_VM_VERBOSE"] !== undefined) say(`power cuts: ${line}`); })];
  },
};

/**
 * OpenZFS for the guest: from the cache, or built while the other suites run. A build that is not done in time goes on by
 * itself: the next run finds it.
 */
async function zfsFor(kernel: Kernel): Promise<string> {
  const there = builtZfs(kernel);
  if (there !== undefined) return there;
  say("building OpenZFS for the guest in the background");
  const child = spawn("flock", ["-n", join(cacheDirectory(), "zfs.lock"), process.execPath, join(__dirname, "build-zfs.js")], { stdio: "ignore", detached: true });
  child.unref();
  let over: number | null | undefined;
  child.on("exit", (code) => { over = code; });
  while (over === undefined && secondsLeft() > 200) await new Promise((resolve) => setTimeout(resolve, 1000));
  const built = builtZfs(kernel);
  if (built !== undefined) return built;
  throw new Unavailable(over === undefined ? "OpenZFS is still being built for the guest's kernel; the next run finds it" : "OpenZFS could not be built for the guest's kernel; node test/dist/vm/build-zfs.js says why");
}

async function main([report, ...filters]: readonly string[]): Promise<void> {
  const outcomes: Outcome[] = [];
  const wanted = (name: string): boolean => filters.length === 0 || filters.some((filter) => name.includes(filter));
  try {
    if (which("qemu-system-x86_64") === undefined) throw new Unavailable("no qemu-system-x86_64 on this machine");
    if (which("depmod") === undefined) throw new Unavailable("no depmod (kmod) on this machine");
    if (which("busybox") === undefined) throw new Unavailable("no busybox on this machine");
    const kernel = await ensureKernel();
    const zfs = suites.some((suite) => suite.zfs === true && wanted(suite.name) && suite.files.length > 0) ? zfsFor(kernel) : Promise.reject(new Unavailable("not asked for"));
    zfs.catch(() => undefined);
    // The longest first; what may have to wait for a build last.
    const tasks = [cuts, ...suites.filter((suite) => suite.zfs !== true || builtZfs(kernel) !== undefined).map((suite) => taskOf(suite, zfs)), ...suites.filter((suite) => suite.zfs === true && builtZfs(kernel) === undefined).map((suite) => taskOf(suite, zfs))]
      .filter(({ name }) => wanted(name));
    const lane = async (): Promise<void> => {
      for (let task = tasks.shift(); task !== undefined; task = tasks.shift()) {
        const begun = Date.now(), { name } = task, found = await task.run(kernel);
        const count = (status: Outcome["status"]): number => found.filter((outcome) => outcome.status === status).length;
        say(`in a guest, ${name}: ${count("passed")} passed, ${count("failed")} failed, ${count("skipped")} skipped (${Math.round((Date.now() - begun) / 1000)} s)`);
        outcomes.push(...found.map((outcome) => ({ ...outcome, name: `${name} › ${outcome.name}` })));
      }
    };
    await Promise.all(Array.from({ length: Math.min(2, availableParallelism()) }, lane));
  } catch (error) {
    if (!(error instanceof Unavailable)) throw error;
    outcomes.push(skipped("tests in a guest", error.message));
  }
  writeFileSync(report!, JSON.stringify(outcomes));
}

main(process.argv.slice(2)).then(() => process.exit(0), (error: unknown) => {
  console.error(error);
  process.exit(1);
});
