import { silentLogger } from "../../core/index.js";
import type { ElementChange } from "../../kernel/nft-elements.js";
import type { RunResult } from "../../kernel/spawn.js";
import type { BridgeRules, Published } from "./firewall.js";
import { Foreign } from "./foreign.js";
import { renderIptables } from "./iptables.js";
import { changeOf, NftFirewall } from "./nft.js";

const bridge = (name: string, change: Partial<BridgeRules> = {}): BridgeRules => ({ bridge: name, subnets: ["10.0.0.0/24"], masquerade: true, internal: false, unprotected: [], ...change });
const port = (hostPort: number, change: Partial<Published> = {}): Published => ({ protocol: "tcp", hostIp: "0.0.0.0", hostPort, address: "10.0.0.2", port: 80, ...change });

/** An nft that writes down what it was given; `refuse` fails the next call of that kind. */
function recorder(): { firewall: NftFirewall; scripts: string[]; changes: ElementChange[][]; refuse: { script: boolean; change: boolean } } {
  const scripts: string[] = [], changes: ElementChange[][] = [], refuse = { script: false, change: false };
  const firewall = new NftFirewall({
    table: "strata", logger: silentLogger,
    apply: async (script) => {
      await Promise.resolve();
      if (refuse.script) { refuse.script = false; throw new Error("nft: no"); }
      scripts.push(script);
    },
    change: async (some) => {
      await Promise.resolve();
      if (refuse.change) { refuse.change = false; throw new Error("ENOENT"); }
      changes.push([...some]);
    },
  });
  return { firewall, scripts, changes, refuse };
}

describe("nftables", () => {
  test("the first transaction makes the table anew, with all that was asked for in the same turn", async () => {
    const { firewall, scripts, changes } = recorder();
    await Promise.all([firewall.ensure(bridge("a")), firewall.ensure(bridge("b", { subnets: ["10.0.1.0/24"] })), firewall.publish([port(8080)])]);
    expect(changes).toEqual([]);
    expect(scripts).toHaveLength(1);
    expect(scripts[0]).toMatch(/^add table ip strata\ndelete table ip strata\n/);
    expect(scripts[0]).toContain('bridges { "a" }');
    expect(scripts[0]).toContain('bridges { "b" }');
    expect(scripts[0]).toContain("add element ip strata anywhere { tcp . 8080 : 10.0.0.2 . 80 }");
    expect(scripts[0]).not.toContain("ip6 strata");
  });
  test("ports then come and go as elements, without a process", async () => {
    const { firewall, scripts, changes } = recorder();
    await firewall.ensure(bridge("a"));
    await firewall.publish([port(8080), port(8081, { hostIp: "127.0.0.1", protocol: "udp" })]);
    await firewall.publish([port(8080)]);
    await firewall.unpublish([port(8080), port(9999)]);
    expect(scripts).toHaveLength(1);
    expect(changes.map((c) => c.map((e) => `${e.verb} ${e.set} ${Buffer.from(e.key).toString("hex")}`))).toEqual([
      ["add anywhere 060000001f900000", "add addressed 110000007f0000011f910000"], ["delete anywhere 060000001f900000"],
    ]);
  });
  test("after a flush by somebody else everything is made again", async () => {
    const { firewall, scripts, refuse } = recorder();
    await firewall.ensure(bridge("a"));
    await firewall.publish([port(8080)]);
    refuse.change = true;
    await firewall.publish([port(8081)]);
    expect(scripts).toHaveLength(2);
    expect(scripts[1]).toContain("tcp . 8080");
    expect(scripts[1]).toContain("tcp . 8081");
  });
  test("what is refused is forgotten and does not spoil the rest", async () => {
    const { firewall, scripts, refuse } = recorder();
    await firewall.ensure(bridge("a"));
    refuse.change = refuse.script = true;
    await expect(firewall.publish([port(8080)])).rejects.toThrow("nft: no");
    await firewall.publish([port(8081)]);
    expect(scripts.at(-1)).toContain("tcp . 8081");
    expect(scripts.at(-1)).not.toContain("tcp . 8080");
  });
  test("what is not published is shut to everybody outside, unless it is to be open to all but our other bridges", async () => {
    const { firewall, scripts } = recorder();
    await firewall.ensure(bridge("a"));
    await firewall.ensure(bridge("b", { subnets: ["10.0.1.0/24"], unprotected: ["ip"] }));
    expect(scripts.join("")).toMatch(/iifname != "a" drop[^]*iifname != "b" iifname @bridges drop/);
  });
  test("a first IPv6 network brings the other table", async () => {
    const { firewall, scripts } = recorder();
    await firewall.ensure(bridge("a"));
    await firewall.ensure(bridge("six", { subnets: ["fd00::/64"] }));
    expect(scripts[1]).toContain("table ip6 strata");
    expect(scripts[1]).toContain('add element ip strata bridges { "a" }');
  });
  test("a bridge leaves with its chains", async () => {
    const { firewall, scripts } = recorder();
    await firewall.ensure(bridge("a", { internal: true }));
    await firewall.ensure(bridge("b", { subnets: ["10.0.1.0/24"] }));
    scripts.splice(1, 1);
    await firewall.remove("a");
    expect(scripts[1]).toContain("delete element ip strata outward");
    expect(scripts[1]).toContain(`delete chain ip strata out_${Buffer.from("a").toString("hex")}`);
    expect(scripts[1]).not.toContain("masqueraded");
    await firewall.remove("a");
    expect(scripts).toHaveLength(2);
    await firewall.remove("b");
    expect(scripts[2]).toBe("delete table ip strata\n");
  });
  test("IPv6 ports are elements of the other table", () => {
    const change = changeOf("strata", "add", port(80, { hostIp: "::", address: "fd00::2" }));
    expect([change.family, change.set, Buffer.from(change.data).toString("hex")]).toEqual(["ip6", "anywhere", "fd00000000000000000000000000000200500000"]);
  });
});

describe("iptables", () => {
  test("chains are written whole, exact addresses first", () => {
    const script = renderIptables("STRATA", "ip", [bridge("a"), bridge("in", { subnets: ["10.0.1.0/24"], internal: true })], [port(80), port(80, { hostIp: "192.0.2.1", address: "10.0.0.3" })]);
    const lines = script.split("\n");
    expect(lines.filter((l) => l.includes("DNAT --to"))).toEqual([
      "-A STRATA-PUBLISH -d 192.0.2.1 -p tcp --dport 80 -j DNAT --to-destination 10.0.0.3:80", "-A STRATA-PUBLISH -p tcp --dport 80 -j DNAT --to-destination 10.0.0.2:80",
    ]);
    expect(lines).toContain("-A STRATA-SOURCES -s 10.0.0.0/24 ! -o a -j MASQUERADE");
    expect(lines).not.toContain("-A STRATA-SOURCES -s 10.0.1.0/24 ! -o in -j MASQUERADE");
    expect(lines).toContain("-A STRATA-FORWARD -o in ! -i in -j DROP");
    expect(lines.filter((l) => l === "COMMIT")).toHaveLength(3);
  });
  test("what is not published is shut to everybody outside, unless it is to be open to all but our other bridges", () => {
    const lines = renderIptables("STRATA", "ip", [bridge("a"), bridge("b", { subnets: ["10.0.1.0/24"], unprotected: ["ip"] })], []).split("\n").filter((l) => l.startsWith("-A STRATA-APART"));
    expect(lines.slice(-2)).toEqual(["-A STRATA-APART -o a -j DROP", "-A STRATA-APART -i a -o b -j DROP"]);
  });
  test("each family has its own", () => {
    const script = renderIptables("STRATA", "ip6", [bridge("a"), bridge("six", { subnets: ["fd00::/64"] })], [port(80), port(81, { hostIp: "::", address: "fd00::2" })]);
    expect(script).toContain("--to-destination [fd00::2]:80");
    expect(script).not.toContain("10.0.0");
  });
});

describe("another program's FORWARD chain", () => {
  const tool = (chain: string): { calls: string[]; run: (program: string, args: readonly string[]) => Promise<RunResult> } => {
    const calls: string[] = [];
    return { calls, run: async (program, args) => { calls.push(`${program} ${args.slice(1).join(" ")}`); return { code: 0, stdout: chain, stderr: "" }; } };
  };
  test("that is open is left alone", async () => {
    const { calls, run } = tool("-P FORWARD ACCEPT\n-A FORWARD -j DOCKER-USER\n");
    const foreign = new Foreign(run, silentLogger);
    await foreign.accept(bridge("a"));
    await foreign.forget("a");
    expect(calls).toEqual(["iptables -S FORWARD"]);
  });
  test("with a policy of DROP gets our rules at its end, once, and loses them with the bridge", async () => {
    const { calls, run } = tool("-P FORWARD DROP\n-A FORWARD -i a -m comment --comment strata -j ACCEPT\n");
    const foreign = new Foreign(run, silentLogger);
    await foreign.accept(bridge("a"));
    expect(calls.slice(1).map((c) => c.split(" ").slice(0, 5).join(" "))).toEqual(["iptables -A FORWARD -o a", "iptables -A FORWARD -o a"]);
    await foreign.forget("a");
    expect(calls.filter((c) => c.includes(" -D FORWARD "))).toHaveLength(3);
  });
  test("that rejects at its end gets them at its head", async () => {
    const { calls, run } = tool("-P FORWARD ACCEPT\n-A FORWARD -j REJECT --reject-with icmp-host-prohibited\n");
    await new Foreign(run, silentLogger).accept(bridge("a"));
    expect(calls.slice(1).every((c) => c.startsWith("iptables -I FORWARD"))).toBe(true);
  });
  test("on a machine without iptables is none", async () => {
    await new Foreign(() => Promise.reject(new Error("ENOENT")), silentLogger).accept(bridge("a"));
  });
});
