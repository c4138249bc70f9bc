import type { GraphWhy } from "@strata/client";
import { CliError } from "../cli.js";
import { defineCommand } from "../command.js";
import { ago, shortId } from "../format/units.js";

type Node = GraphWhy["Paths"][number][number];

export const command = defineCommand<{ format?: string }>({
  usage: "[OPTIONS] NAME|ID|DIGEST [NAME|ID|DIGEST...]",
  args: [1, Infinity],
  options: (options) => options.value("--format <string>", "'json' for data"),
  async run(cli, names, { format }) {
    if (format !== undefined && format !== "json") throw new CliError("--format: only 'json'");
    const found = (await Promise.all(names.map((name) => cli.client.graph.why(name)))).flat();
    if (format === "json") cli.print(JSON.stringify(found));
    else cli.printAll(found.flatMap((why, at) => [...(at > 0 ? [""] : []), ...explain(why)]));
  },
});

/** One line for what it is, one for each path that holds it. */
export function explain(why: GraphWhy, now = Date.now()): string[] {
  const { Held, Paths, More, Goes, GoesAt } = why;
  if (!Held) return [`${show(why, now)}: nothing holds it; it goes ${Goes === "next collection" ? "with the next collection" : `at ${GoesAt ?? "the next collection"}, if nobody takes it up`}`];
  const alone = Paths.length === 1 && Paths[0]!.length === 1;
  if (alone) return [`${show(why, now)}: nothing uses it; it stays until it is removed or pruned`];
  return [show(why, now), ...Paths.map((path) => `  ${path.slice(0, -1).map((node) => show(node, now)).join(" → ")} → this`), ...(More ? ["  … and more"] : [])];
}

function show({ Kind, Key, Name, Status, Purpose, ExpiresAt }: Node, now: number): string {
  const key = Kind === "volume" || Kind === "tag" ? Key : shortId(Key);
  switch (Kind) {
    case "container": return `container ${Name} (${Status ?? ""})`;
    case "tag": case "volume": return `${Kind} ${key}`;
    case "network": return `network ${Name}`;
    case "lease": return `lease for ${Purpose ?? Name}${ExpiresAt === undefined ? "" : ` (until ${ExpiresAt}${Date.parse(ExpiresAt) < now ? `, ${ago(Date.parse(ExpiresAt) / 1000, now)}` : ""})`}`;
    case "image": return Name === "" ? `untagged image ${key}` : `image ${key}`;
    case "build-record": return `build record ${key} (${Name})`;
    case "blob": case "ingest": return `${Kind} ${key} (${Name})`;
    default: return `${Kind} ${key}`;
  }
}
