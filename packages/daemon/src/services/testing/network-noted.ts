import { Links } from "../../kernel/links.js";
import type { Networks } from "../networks.js";

/** A bridge that bears the note of a former daemon, which said less of the owner: taken over with a new one, and removed. */
export async function noted({ networks }: { readonly networks: Networks }): Promise<Record<string, unknown>> {
  const links = new Links(), { id } = await networks.create({ name: "old", ipam: [{ subnet: "10.9.0.0/24" }] }), name = `br-${id.slice(0, 12)}`;
  const former = (): void => links.setAlias(links.index(name), `strata ${id}`);
  former();
  await networks.recover([]);
  const alias = links.find(name)?.alias.replace(id, "ID");
  former();
  await networks.remove("old");
  const left = links.find(name)?.name ?? "nothing";
  links.close();
  return { alias, left };
}
