import { InvalidArgument } from "../../core/index.js";

/** `--security-opt` words, parsed. */
export interface SecurityOptions {
  readonly noNewPrivileges: boolean;
  /** Undefined: the default profile; null: unconfined; text: a profile. */
  readonly seccomp?: string | null;
  readonly unmaskPaths: boolean;
  readonly labels: readonly string[];
  readonly apparmor?: string;
}

/** Parses `HostConfig.SecurityOpt`; `key=value` and the older `key:value`. InvalidArgument names the option. */
export function parseSecurityOptions(options: readonly string[]): SecurityOptions {
  let noNewPrivileges = false, unmaskPaths = false;
  let seccomp: string | null | undefined, apparmor: string | undefined;
  const labels: string[] = [];
  for (const option of options) {
    if (option === "no-new-privileges") { noNewPrivileges = true; continue; }
    if (option === "disable") { labels.push("disable"); continue; }
    const at = /[=:]/.exec(option)?.index ?? -1;
    if (at < 0) throw new InvalidArgument(`invalid --security-opt 1: "${option}"`);
    const key = option.slice(0, at), value = option.slice(at + 1);
    switch (key) {
      case "no-new-privileges":
        if (!/^(true|false|1|0)$/i.test(value)) throw new InvalidArgument(`invalid --security-opt 2: "${option}"`);
        noNewPrivileges = /^(true|1)$/i.test(value);
        break;
      case "seccomp": seccomp = value === "unconfined" ? null : value === "builtin" ? undefined : value; break;
      case "systempaths":
        if (value !== "unconfined") throw new InvalidArgument(`invalid --security-opt 2: "${option}"`);
        unmaskPaths = true;
        break;
      case "label": labels.push(value); break;
      case "apparmor": apparmor = value; break;
      case "writable-cgroups": break;
      default: throw new InvalidArgument(`invalid --security-opt 2: "${option}"`);
    }
  }
  return { noNewPrivileges, unmaskPaths, labels, ...(seccomp === undefined ? {} : { seccomp }), ...(apparmor === undefined ? {} : { apparmor }) };
}
