import { errnoOf } from "../../core/index.js";
import { run } from "../../kernel/spawn.js";

/** A host port that the kernel leads somewhere, as an element of one of our maps. */
export interface ListedPort {
  readonly family: "ip" | "ip6";
  readonly map: string;
  readonly protocol: string;
  readonly hostPort: number;
  /** The element's key as nft writes it. */
  readonly key: string;
}

interface Concat { readonly concat: readonly (string | number)[] }
interface Listing { readonly nftables: readonly { readonly map?: { readonly name: string; readonly elem?: readonly (readonly [Concat, Concat])[] } }[] }

const MAPS = new Set(["anywhere", "addressed"]);

/** Of `nft -j list table`. */
export function portsIn(text: string, family: ListedPort["family"]): ListedPort[] {
  return (JSON.parse(text) as Listing).nftables.flatMap(({ map }) => (map === undefined || !MAPS.has(map.name) ? [] : (map.elem ?? []).map(([{ concat }]): ListedPort => (
    { family, map: map.name, protocol: String(concat[0]), hostPort: Number(concat.at(-1)), key: concat.join(" . ") }))));
}

/** Every published port in a table of ours, in both families. None where there is no such table. */
export async function listPorts(table: string): Promise<ListedPort[]> {
  const families = ["ip", "ip6"] as const;
  return (await Promise.all(families.map(async (family) => {
    try {
      const { code, stdout } = await run("nft", ["-j", "list", "table", family, table], { allow: [0, 1] });
      return code === 0 ? portsIn(stdout, family) : [];
    } catch (e) {
      if (errnoOf(e) === "ENOENT") return [];
      throw e;
    }
  }))).flat();
}

export async function dropPort(table: string, { family, map, key }: ListedPort): Promise<void> {
  await run("nft", ["delete", "element", family, table, map, "{", key, "}"]);
}
