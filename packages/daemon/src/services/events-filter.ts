import type { StrataEvent } from "../core/index.js";
import { labelsMatch, rejectUnknown } from "./filter-match.js";
import type { Filters } from "./types.js";

const KNOWN = ["type", "event", "container", "image", "label", "volume", "network", "daemon", "builder", "scope", "plugin", "node", "service", "secret", "config"];
/** Filters that name a thing of their type, by ID, name, or the beginning of either. */
const THINGS = ["container", "volume", "network", "daemon", "builder", "plugin", "node", "service", "secret", "config"];

/** Image name without its tag. */
function untagged(name: string): string {
  const colon = name.lastIndexOf(":");
  return colon > name.lastIndexOf("/") ? name.slice(0, colon) : name;
}

/** Makes one test of the filters of `events`. InvalidArgument for a filter there is not. Values of one filter are alternatives; all filters must hold. */
export function eventFilter(filters: Filters): (event: StrataEvent) => boolean {
  rejectUnknown(filters, KNOWN);
  const any = (key: string, test: (value: string) => boolean): boolean => {
    const values = filters.get(key);
    return values === undefined || values.length === 0 || values.some(test);
  };
  return (event) => {
    const name = event.attributes["name"] ?? "";
    return any("type", (v) => v === event.type)
      && any("scope", (v) => v === "local")
      // `exec_create` stands for `exec_create: ls -l` too.
      && any("event", (v) => v === event.action || event.action.startsWith(`${v}:`))
      && labelsMatch(filters, event.attributes)
      && any("image", (v) => [event.id, event.type === "image" ? name : event.attributes["image"] ?? ""].some((i) => i !== "" && (i === v || untagged(i) === v)))
      && THINGS.every((type) => any(type, (v) => type === event.type && (event.id.startsWith(v) || name.startsWith(v))));
  };
}
