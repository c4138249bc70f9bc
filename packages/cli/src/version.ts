import { createRequire } from "node:module";

/** Version of this CLI. */
export const VERSION = (createRequire(__filename)("../package.json") as { version: string }).version;
