import { main } from "./main.js";

// A reader that leaves early (`strata logs x | head`) is no failure worth a stack trace.
for (const stream of [process.stdout, process.stderr]) {
  stream.on("error", (error: NodeJS.ErrnoException) => process.exit(error.code === "EPIPE" ? 141 : 1));
}
void main(process.argv.slice(2)).then((code) => process.exit(code));
