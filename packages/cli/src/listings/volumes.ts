import type { Volume } from "@strata/client";
import type { Listing } from "../format/listing.js";
import { humanSize } from "../format/units.js";
import { displayLabels } from "./labels.js";

export const volumeListing: Listing<Volume> = {
  name: "Volume",
  columns: {
    Name: { header: "VOLUME NAME", value: ({ Name }) => Name },
    Driver: { header: "DRIVER", value: ({ Driver }) => Driver },
    Scope: { header: "SCOPE", value: ({ Scope }) => Scope },
    Mountpoint: { header: "MOUNTPOINT", value: ({ Mountpoint }) => Mountpoint },
    Labels: { header: "LABELS", value: ({ Labels }) => displayLabels(Labels) },
    Links: { header: "LINKS", value: ({ UsageData }) => (UsageData ? String(UsageData.RefCount) : "N/A") },
    Size: { header: "SIZE", value: ({ UsageData }) => (UsageData && UsageData.Size >= 0 ? humanSize(UsageData.Size) : "N/A") },
    // Docker's fields for cluster volumes, which do not exist here.
    Availability: { header: "AVAILABILITY", value: () => "N/A" },
    Group: { header: "GROUP", value: () => "N/A" },
    Status: { header: "STATUS", value: () => "N/A" },
  },
  methods: { Label: ({ Labels }, key) => Labels?.[key] ?? "" },
};
