// node test/dist/vm/run.js [--disk SIZE]… [--memory MiB] [--limit SECONDS] [--zfs] -- COMMAND: runs a shell command in a guest of its own.
import { Unavailable } from "./cache.js";
import { type Disk, Guest } from "./guest.js";
import { ensureKernel } from "./kernel.js";
import { ensureZfs } from "./zfs.js";

async function main(args: readonly string[]): Promise<number> {
  const end = args.indexOf("--"), command = args.slice(end + 1).join(" ");
  if (end < 0 || command === "") throw new Unavailable("a command is missing: … -- COMMAND");
  const disks: Disk[] = [];
  let memory = 1536, limit = 300, zfs = false;
  const take = args.slice(0, end);
  for (let flag = take.shift(); flag !== undefined; flag = take.shift()) {
    if (flag === "--zfs") { zfs = true; continue; }
    const value = take.shift() ?? "";
    if (flag === "--disk") disks.push({ size: value });
    else if (flag === "--memory") memory = Number(value);
    else if (flag === "--limit") limit = Number(value);
    else throw new Unavailable(`unknown flag ${flag}`);
  }
  const kernel = await ensureKernel();
  const guest = new Guest(command, { kernel, ...(zfs && { extra: await ensureZfs(kernel) }), disks, memory, limit, onLine: (line) => process.stdout.write(`${line}\n`) });
  process.on("SIGINT", () => guest.kill());
  const ending = await guest.ending();
  guest.forget();
  if ("status" in ending) return ending.status;
  process.stderr.write(`the guest ended ${ending.died}\n`);
  return 99;
}

main(process.argv.slice(2)).then((status) => { process.exitCode = status; }, (error: unknown) => {
  process.stderr.write(`${error instanceof Unavailable ? error.message : String(error)}\n`);
  process.exitCode = 98;
});
