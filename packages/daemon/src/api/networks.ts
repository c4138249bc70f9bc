import type { NetworkService } from "../services/types.js";
import type { IpamPool } from "../core/index.js";
import { created, empty, ok, type Routes } from "./context.js";
import { encodeNetwork } from "./encode/others.js";
import { network as shape } from "./encode/shapes.js";
import { parseFilters } from "./filters.js";
import type { components } from "./generated/openapi.js";
import { toEndpointSpec } from "./requests.js";
import { InvalidArgument, NotFound } from "../core/index.js";

function toPools(ipam: components["schemas"]["IPAM"] | undefined): IpamPool[] {
  return (ipam?.Config ?? []).filter((c) => c.Subnet || c.IPRange || c.Gateway).map((c) => {
    if (!c.Subnet) throw new InvalidArgument("IPAM.Config: a pool needs a Subnet");
    const reserved = c.AuxiliaryAddresses && Object.keys(c.AuxiliaryAddresses).length > 0 ? { reserved: c.AuxiliaryAddresses } : {};
    return { subnet: c.Subnet, ...(c.Gateway ? { gateway: c.Gateway } : {}), ...(c.IPRange ? { range: c.IPRange } : {}), ...reserved };
  });
}

export function networkRoutes(networks: NetworkService): Pick<Routes, Extract<keyof Routes, `network${string}`>> {
  return {
    networkList: ({ query, version }) => ok(networks.list(parseFilters(query.filters)).map((n) => shape(encodeNetwork(n.network, version < 28 ? n.endpoints : []), version))),
    async networkCreate({ body }) {
      const ipam = body.IPAM?.Driver ?? "";
      if (ipam !== "" && ipam !== "default") throw new NotFound(`could not find plugin ${ipam} in v1 plugin registry: plugin not found`);
      const pools = toPools(body.IPAM);
      const network = await networks.create({
        name: body.Name, ...(body.Driver ? { driver: body.Driver } : {}), internal: body.Internal ?? false, attachable: body.Attachable ?? false, ipv4: body.EnableIPv4 ?? true, ipv6: body.EnableIPv6 ?? false,
        scope: body.Scope ?? "", ingress: body.Ingress ?? false, configOnly: body.ConfigOnly ?? false, ...(body.ConfigFrom?.Network ? { configFrom: body.ConfigFrom.Network } : {}),
        ...(pools.length > 0 ? { ipam: pools } : {}), ...(body.IPAM?.Options ? { ipamOptions: body.IPAM.Options } : {}), ...(body.Options ? { options: body.Options } : {}), ...(body.Labels ? { labels: body.Labels } : {}),
      });
      return created({ Id: network.id, Warning: "" });
    },
    networkInspect({ path, version }) {
      const { network, endpoints } = networks.inspect(path.id);
      return ok(shape(encodeNetwork(network, endpoints), version));
    },
    async networkDelete({ path }) {
      await networks.remove(path.id);
      return empty(204);
    },
    async networkConnect({ path, body }) {
      await networks.connect(path.id, body.Container, toEndpointSpec(body.EndpointConfig));
      return empty(200);
    },
    async networkDisconnect({ path, body }) {
      await networks.disconnect(path.id, body.Container, body.Force ?? false);
      return empty(200);
    },
    async networkPrune({ query }) {
      const removed = await networks.prune(parseFilters(query.filters));
      return ok({ NetworksDeleted: removed.length > 0 ? removed : null });
    },
  };
}
