/** RLIM_INFINITY, as near as a number comes to it. */
export const UNLIMITED = 2 ** 64;
/** How JSON writes that number, and what runtimes read as no limit. */
const WRITTEN = /(?<=:)18446744073709552000(?=[,}])/g, READ = "18446744073709551615";

/** A runtime-spec document as text. No number but a limit is as large. */
export function runtimeJson(document: object): string {
  return JSON.stringify(document).replace(WRITTEN, READ);
}
