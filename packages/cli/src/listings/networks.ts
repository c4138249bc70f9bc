import type { Network } from "@strata/client";
import type { Listing } from "../format/listing.js";
import { shortId } from "../format/units.js";
import { displayLabels } from "./labels.js";

export const networkListing: Listing<Network> = {
  name: "Network",
  columns: {
    ID: { header: "NETWORK ID", value: ({ Id }, { noTrunc }) => (noTrunc ? Id : shortId(Id)) },
    Name: { header: "NAME", value: ({ Name }) => Name },
    Driver: { header: "DRIVER", value: ({ Driver }) => Driver },
    Scope: { header: "SCOPE", value: ({ Scope }) => Scope },
    IPv4: { header: "IPV4", value: ({ EnableIPv4 }) => String(EnableIPv4 ?? false) },
    IPv6: { header: "IPV6", value: ({ EnableIPv6 }) => String(EnableIPv6) },
    Internal: { header: "INTERNAL", value: ({ Internal }) => String(Internal) },
    Labels: { header: "LABELS", value: ({ Labels }) => displayLabels(Labels) },
    // 2026-11-21T03:39:13.8Z as Go prints a time.
    CreatedAt: { header: "CREATED AT", value: ({ Created }) => Created.replace("T", " ").replace(/Z$/, " +0000 UTC") },
  },
  methods: { Label: ({ Labels }, key) => Labels?.[key] ?? "" },
};
