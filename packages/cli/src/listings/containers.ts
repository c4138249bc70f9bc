import type { ContainerSummary } from "@strata/client";
import type { Listing } from "../format/listing.js";
import { displayPorts } from "../format/ports.js";
import { ago, ellipsis, goTime, humanSize, shortId } from "../format/units.js";
import { displayLabels } from "./labels.js";

export const containerListing: Listing<ContainerSummary> = {
  name: "Container",
  columns: {
    ID: { header: "CONTAINER ID", value: ({ Id }, { noTrunc }) => (noTrunc ? Id : shortId(Id)) },
    Names: { header: "NAMES", value: ({ Names }, { noTrunc }) => displayNames(Names, noTrunc) },
    Image: { header: "IMAGE", value: displayImage },
    Command: { header: "COMMAND", value: ({ Command }, { noTrunc }) => JSON.stringify(noTrunc ? Command : ellipsis(Command, 20)) },
    CreatedAt: { header: "CREATED AT", value: ({ Created }) => goTime(Created) },
    RunningFor: { header: "CREATED", value: ({ Created }, { now }) => ago(Created, now) },
    Ports: { header: "PORTS", value: ({ Ports }) => displayPorts(Ports ?? []) },
    State: { header: "STATE", value: ({ State }) => State },
    Status: { header: "STATUS", value: ({ Status }) => Status },
    Size: { header: "SIZE", value: displaySize },
    Labels: { header: "LABELS", value: ({ Labels }) => displayLabels(Labels) },
    Mounts: { header: "MOUNTS", value: ({ Mounts }, { noTrunc }) => (Mounts ?? []).map((mount) => mount.Name || mount.Source || "").map((name) => (noTrunc ? name : ellipsis(name, 15))).join(",") },
    LocalVolumes: { header: "LOCAL VOLUMES", value: ({ Mounts }) => String((Mounts ?? []).filter((mount) => mount.Driver === "local").length) },
    Networks: { header: "NETWORKS", value: ({ NetworkSettings }) => Object.keys(NetworkSettings?.Networks ?? {}).sort().join(",") },
  },
  methods: { Label: ({ Labels }, key) => Labels?.[key] ?? "" },
};

/** Docker's columns of `ps`. */
export const CONTAINER_COLUMNS = ["ID", "Image", "Command", "RunningFor", "Status", "Ports", "Names"];

/** Names without their slash; the longer ones, made by links, only untruncated. */
function displayNames(names: readonly string[], noTrunc: boolean): string {
  const plain = names.map((name) => name.replace(/^\//, ""));
  return (noTrunc ? plain : plain.filter((name) => !name.includes("/"))).join(",");
}

function displayImage({ Image, ImageID }: ContainerSummary, { noTrunc }: { noTrunc: boolean }): string {
  if (Image === "") return "<no image>";
  if (noTrunc) return Image;
  // An image known only by its ID is shown as a short one; a digest after a name is left out.
  if (Image === ImageID || /^sha256:[0-9a-f]{64}$/.test(Image)) return shortId(Image);
  return Image.replace(/@sha256:[0-9a-f]{64}$/, "");
}

function displaySize({ SizeRw, SizeRootFs }: ContainerSummary): string {
  const size = humanSize(SizeRw ?? 0);
  return SizeRootFs !== undefined && SizeRootFs > 0 ? `${size} (virtual ${humanSize(SizeRootFs)})` : size;
}
