import type { CheckFinding, CheckReport } from "@strata/client";
import { CliError } from "../cli.js";
import { defineCommand } from "../command.js";
import { humanSize, parseBytes, shortId } from "../format/units.js";

export const command = defineCommand<{ deep?: boolean; format?: string; rate?: number; repair?: boolean }>({
  usage: "[OPTIONS]",
  args: [0, 0],
  options: (options) => options
    .flag("--deep", "Read and hash everything, not only look whether it is there")
    .value("--format <string>", "'json' for what the daemon says, line by line")
    .parsed("--rate <bytes>", "Most that is read in a second (50m)", parseBytes)
    .flag("--repair", "Remove what belongs to nothing, fetch what is damaged"),
  async run(cli, _args, { deep, format, rate, repair }) {
    if (format !== undefined && format !== "json") throw new CliError(`the format can be json only, not ${JSON.stringify(format)}`);
    let report: CheckReport | undefined;
    const screen = cli.streams.stderr;
    const shown = (text: string): void => { if (screen.isTTY === true && format === undefined) screen.write(`\r\u001b[K${text}`); };
    for await (const line of cli.client.checks.run({ deep, repair, rate })) {
      if (format === "json") cli.print(JSON.stringify(line));
      else if (line.finding) { shown(""); cli.print(findingLine(line.finding)); }
      else if (line.part !== undefined) shown(progressOf(line.part, line.current, line.total, deep === true));
      report = line.report ?? report;
    }
    shown("");
    if (report === undefined) throw new CliError("the check ended without a report");
    for (const text of format === undefined ? report.unchecked : []) cli.warn(`not checked: ${text}`);
    if (format === undefined) cli.print(summary(report));
    return report.found > report.repaired || report.unchecked.length > 0 ? 1 : 0;
  },
});

const progressOf = (part: string, current: number | undefined, total: number | undefined, bytes: boolean): string =>
  `Checking ${part}${current === undefined || total === undefined ? "" : bytes ? `: ${humanSize(current)} of ${humanSize(total)}` : `: ${current} of ${total}`}`;

/** `corrupt layer sha256:…: its tar has …; images 0123456789ab` */
function findingLine({ kind, id, problem, detail, images, repaired }: CheckFinding): string {
  const named = images.length === 0 ? "" : `; image${images.length === 1 ? "" : "s"} ${images.map(shortId).join(", ")}`;
  return `${repaired ? "repaired: " : ""}${problem} ${kind} ${id}: ${detail}${named}`;
}

function summary({ started, finished, found, repaired, repair, deep }: CheckReport): string {
  const seconds = ((Date.parse(finished) - Date.parse(started)) / 1000).toFixed(1);
  const what = found === 0 ? "nothing is wrong" : `${found} finding${found === 1 ? "" : "s"}${repair ? `, ${repaired} repaired` : ""}`;
  return `Checked${deep ? " everything to its last byte" : ""} in ${seconds} s: ${what}.`;
}
