import { silentLogger } from "../../core/index.js";
import { findProgram, run } from "../../kernel/spawn.js";
import type { BridgeRules } from "./firewall.js";
import { NftFirewall } from "./nft.js";
import { straysInTable } from "./strays.js";

const reason = process.getuid?.() !== 0 ? "needs root" : findProgram("nft") === undefined ? "there is no nft" : findProgram("unshare") === undefined ? "there is no unshare" : undefined;

const bridge = (name: string, change: Partial<BridgeRules> = {}): BridgeRules => ({ bridge: name, subnets: ["10.0.0.0/24"], masquerade: true, internal: false, unprotected: [], routed: [], ...change });
const BRIDGES: readonly BridgeRules[] = [
  bridge("plain0"), bridge("inside0", { subnets: ["10.0.1.0/24"], internal: true }), bridge("routed0", { subnets: ["10.0.2.0/24", "fd00:2::/64"], routed: ["ip", "ip6"] }),
  bridge("open0", { subnets: ["10.0.3.0/24", "fd00:3::/64"], unprotected: ["ip"] }), bridge("one0", { subnets: ["10.0.4.1/32"], masquerade: false }),
];

/** What nft says of the table of these bridges, in a network namespace of its own, after some more commands. */
async function listed(family: "ip" | "ip6", bridges: readonly BridgeRules[], more: readonly string[] = []): Promise<string> {
  let script = "";
  const firewall = new NftFirewall({ table: "strata", logger: silentLogger, apply: async (text) => { script += text; }, change: async () => undefined });
  await Promise.all(bridges.map((rules) => firewall.ensure(rules)));
  const { stdout } = await run("unshare", ["-n", "sh", "-c", `nft -f - && nft -j list table ${family} strata`], { input: `${script}${more.map((line) => `${line}\n`).join("")}` });
  return stdout;
}

(reason === undefined ? describe : describe.skip)(`a table of nftables${reason === undefined ? "" : ` (skipped: ${reason})`}`, () => {
  test.each(["ip", "ip6"] as const)("as the daemon makes it has no strays: %s", async (family) => {
    expect(straysInTable(await listed(family, BRIDGES), family, BRIDGES)).toEqual([]);
  });

  test("what others put into it, and what is of bridges that are no more, is found", async () => {
    const table = "ip strata", gone = bridge("gone0", { subnets: ["10.0.9.0/24"] }), hex = Buffer.from("gone0").toString("hex");
    const text = await listed("ip", [...BRIDGES, gone], [`add chain ${table} mine`, `add rule ${table} forward accept`, `add set ${table} theirs { type ifname ; }`, `add element ${table} bridges { "eth7" }`]);
    expect(straysInTable(text, "ip", BRIDGES).map(({ what }) => what).sort()).toEqual([
      "bridges eth7", "bridges gone0", "chain forward", `chain in_${hex}`, "chain mine", "inward gone0", "masqueraded 10.0.9.0/24", "set theirs", "subnets 10.0.9.0/24",
    ]);
  });
});
