// node test/dist/clients/main.js REPORT [FILTER…]: runs other projects' own suites against a daemon of ours, those files whose names contain a filter.
import { writeFileSync } from "node:fs";
import { TestBed, daemonNeeds, unmet } from "../helpers/index.js";
import { checkout, Unavailable } from "./checkouts.js";
import { publish, seed } from "./images.js";
import { reasonFor } from "./reasons.js";
import { type Outcome, type Suite, suites } from "./suites.js";

/** As scripts/lib/outcomes.mjs prints it. */
interface Line { readonly name: string; readonly status: Outcome["status"]; readonly failure?: string }

const say = (text: string): void => { process.stderr.write(`strata: ${text}\n`); };
const skipped = (name: string, reason: string): Line => ({ name: `${name} (skipped: ${reason})`, status: "skipped" });

function lineOf({ name, status, detail }: Outcome): Line {
  const reason = reasonFor(name);
  if (status === "passed" && reason !== undefined) say(`${name} passes: reasons.ts need not say any more that "${reason}"`);
  if (status === "passed") return { name, status };
  if (status === "skipped") return skipped(name, detail.split("\n")[0] || "by the suite itself");
  return reason === undefined ? { name, status, failure: detail } : skipped(name, reason);
}

/** A suite on a daemon of its own, to which a registry of ours serves as docker.io. */
async function runSuite(suite: Suite, wanted: (name: string) => boolean): Promise<Line[]> {
  const { name } = suite.project;
  const folder = await checkout(suite.project);
  const files = suite.files(folder).filter((file) => wanted(`${name}/${file}`));
  if (files.length === 0) return [];
  const bed = await TestBed.create();
  try {
    const registry = await bed.registry();
    // One test asks for a bind mount that propagates: the file system below has to.
    const daemon = await bed.daemon({ flags: ["--registry-mirror", `http://${registry.address}`], wrap: ["unshare", "--mount", "--propagation", "shared"] });
    await publish(daemon, registry);
    const lines: Line[] = [];
    for (const file of files) {
      await seed(daemon);
      const { result, outcomes } = await suite.run(folder, file, bed, daemon);
      const found = outcomes.map(lineOf).map((line) => ({ ...line, name: `${name} › ${line.name}` }));
      if (outcomes.length === 0 || result.code > 127) found.push({ name: `${name} › ${file} comes to its end`, status: "failed", failure: `exit status ${result.code}\n${result.stdout.slice(-4000)}${result.stderr.slice(-4000)}` });
      const count = (status: Outcome["status"]): number => found.filter((line) => line.status === status).length;
      say(`${name}, ${file}: ${count("passed")} passed, ${count("failed")} failed, ${count("skipped")} skipped`);
      lines.push(...found);
    }
    return lines;
  } finally {
    await bed.close();
  }
}

async function main([report, ...filters]: readonly string[]): Promise<void> {
  const wanted = (name: string): boolean => filters.length === 0 || filters.some((filter) => name.includes(filter));
  const lines: Line[] = [];
  const missing = unmet([...daemonNeeds, "docker", "registry"]);
  for (const suite of suites) {
    try {
      if (missing !== undefined) throw new Unavailable(missing);
      lines.push(...await runSuite(suite, wanted));
    } catch (error) {
      if (!(error instanceof Unavailable)) throw error;
      lines.push(skipped(suite.project.name, error.message));
    }
  }
  writeFileSync(report!, JSON.stringify(lines));
}

main(process.argv.slice(2)).then(() => process.exit(0), (error: unknown) => {
  console.error(error);
  process.exit(1);
});
