import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { Guest, NODE } from "./guest.js";
import type { Outcome } from "./inside/runner.js";
import type { Kernel } from "./kernel.js";
import { diceOf, Power, VolatileDisk } from "./volatile-disk.js";

/** A data root on a disk of its own, and the driver that works there. */
export interface World {
  readonly name: string;
  readonly driver: string;
  /** Of `--storage-opt`. */
  readonly options?: readonly string[];
  /** Shell: makes the file system on `$disk`, once. */
  readonly make: string;
  /** Shell: mounts `$disk` on `$place`. */
  readonly mount: string;
}

/** Requests to the disks between the start of work and the cut: from the first moment to some seconds of work. */
const MOST_REQUESTS = 400;
/** Work that asks for nothing is over by then. */
const LONGEST_WORK_MS = 4_000;
/** Seconds for a start, the check, the work; on a busy machine it takes this long. */
const LONGEST_CYCLE = 60;
const DISK_BYTES = 4 * 2 ** 30;
const program = resolve(__dirname, "../../../packages/daemon/dist/testing/power-cut.js");

/**
 * Lets one guest work on all the worlds at once and takes its power away, again and again; every start checks what the
 * former cut left. One outcome for each cut and world.
 */
export async function powerCuts(kernel: Kernel, worlds: readonly World[], cuts: number, seed: number, secondsLeft: () => number, log: (line: string) => void): Promise<Outcome[]> {
  const folder = mkdtempSync(join(tmpdir(), "strata-power-")), dice = diceOf(seed), power = new Power();
  const disks = worlds.map((_, i) => ({ disk: new VolatileDisk(DISK_BYTES, power), nbd: join(folder, `${i}.sock`) }));
  const outcomes: Outcome[] = [];
  try {
    await Promise.all(disks.map(({ disk, nbd }) => disk.listen(nbd)));
    for (let cut = 0; cut <= cuts; cut++) {
      if (secondsLeft() < LONGEST_CYCLE) {
        outcomes.push(...worlds.map(({ name }) => ({ name: `${name}: power cuts ${cut} to ${cuts} (skipped: no time was left)`, status: "skipped", ms: 0 }) as const));
        break;
      }
      const started = Date.now(), findings: string[] = [];
      let working = false, limit: NodeJS.Timeout | undefined;
      const guest = new Guest(script(worlds, cut === 0, dice(1 << 30)), {
        kernel, disks, limit: secondsLeft(), facts: folder, memory: 1024,
        onLine: (line) => {
          if (line === "WORKING") {
            working = true;
            if (cut === cuts) { guest.kill(); return; }
            power.cutAfter(1 + dice(MOST_REQUESTS), () => guest.kill());
            limit = setTimeout(() => { power.on = false; guest.kill(); }, LONGEST_WORK_MS);
          } else findings.push(line);
        },
      });
      const ending = await guest.ending();
      clearTimeout(limit);
      guest.forget();
      if (!working && findings.length === 0) findings.push(`the guest ended ${"died" in ending ? ending.died : `with status ${ending.status}`} before it worked`);
      const states = disks.map(({ disk }) => disk.settle(dice));
      power.back();
      log(`cut ${cut}: ${Date.now() - started} ms${working ? "" : " NOT WORKING"}, unflushed ${states.map(({ unflushed, kept }) => `${kept}/${unflushed}`).join(" ")}${findings.map((finding) => `\n  ${finding}`).join("")}`);
      if (cut > 0) outcomes.push(...worlds.map(({ name }) => outcomeOf(name, cut, working, findings, Date.now() - started)));
      if (!working) {
        if (cut === 0) outcomes.push({ name: "power cuts", status: "failed", ms: 0, failure: findings.join("\n") });
        break;
      }
    }
  } finally {
    await Promise.all(disks.map(({ disk }) => disk.close()));
    rmSync(folder, { recursive: true });
  }
  return outcomes;
}

/** A finding names its world; a failure without a name is everyone's. */
function outcomeOf(world: string, cut: number, working: boolean, findings: readonly string[], ms: number): Outcome {
  const own = findings.filter((line) => line.startsWith(`FOUND ${world}:`)), named = findings.some((line) => line.startsWith("FOUND "));
  const failed = own.length > 0 || (!working && !named);
  return { name: `${world}: nothing missing, wrong or left over after power cut ${cut}`, status: failed ? "failed" : "passed", ms, ...(failed && { failure: (own.length > 0 ? own : findings).join("\n") }) };
}

function script(worlds: readonly World[], first: boolean, seed: number): string {
  const place = (i: number): string => `/w/${i}`;
  return [
    "set -e",
    ...worlds.map(({ make, mount }, i) => `disk=/dev/vd${"abcdefgh"[i]!} place=${place(i)}; mkdir -p $place; ${first ? `${make}; ` : ""}${mount}`),
    ...(first ? ["sync"] : []),
    `exec ${NODE} ${program} /run/facts ${seed} ${worlds.map(({ name, driver, options = [] }, i) => `'${name}:${driver}:${place(i)}/root:${options.join(",")}'`).join(" ")}`,
  ].join("\n");
}
