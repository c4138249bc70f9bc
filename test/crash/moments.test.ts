import { type Daemon, type Registry, daemonNeeds, disagreements, emptied, needs, setUp, sleep, until } from "../helpers/index.js";

const it = needs(...daemonNeeds, "docker", "registry");

let daemon: Daemon;
let registry: Registry;
let image: string;
setUp(async (bed) => {
  registry = await bed.registry();
  daemon = await bed.daemonWithBusybox({ storageDriver: "overlay2" });
  image = registry.name("layered:1");
  // Six layers of some hundred files: long enough to be hit anywhere, short enough to be hit often.
  await daemon.dockerOk("tag", "busybox", "layered:0");
  for (let layer = 1; layer <= 5; layer++) {
    await daemon.dockerOk("run", "--name", "maker", `layered:${layer - 1}`, "sh", "-c", `mkdir -p /l${layer}/d; for i in $(seq 300); do echo ${layer} $i > /l${layer}/f$i; done; rm -rf /l${layer - 1}/d; head -c 3000000 /dev/urandom > /l${layer}/big`);
    await daemon.dockerOk("commit", "maker", `layered:${layer}`);
    await daemon.dockerOk("rm", "maker");
  }
  await daemon.dockerOk("tag", "layered:5", image);
  await daemon.dockerOk("push", image);
  await daemon.dockerOk("image", "prune", "-af");
  await emptied(daemon);
}, 180_000);

/** For each operation; STRATA_CRASH_MOMENTS=20 finds more. */
const MOMENTS = Number(process.env["STRATA_CRASH_MOMENTS"] ?? 10);

/** Moments spread over a duration, one at random within each of `count` equal parts. */
function moments(count: number, durationMs: number): number[] {
  return Array.from({ length: count }, (_, i) => ((i + Math.random()) / count) * durationMs);
}
async function timed(action: () => Promise<unknown>): Promise<number> {
  const start = performance.now();
  await action();
  return performance.now() - start;
}
/** Starts an operation, kills the daemon at the moment, starts it again and lets it recover. */
async function interrupted(operation: () => Promise<unknown>, moment: number): Promise<void> {
  const running = operation().catch(() => undefined);
  await sleep(moment);
  await daemon.kill9();
  await running;
  await daemon.start();
  await until(async () => (await disagreements(daemon)).length === 0 || undefined, 5_000, () => "ledger and disk to agree").catch(() => undefined);
  expect({ moment, disagreements: await disagreements(daemon) }).toEqual({ moment, disagreements: [] });
}
const intact = (name: string): Promise<string> => daemon.dockerOk("run", "--rm", "--network", "none", name, "sh", "-c", "cat /l5/f300 /l1/f1; ls /l4 | wc -l; ls -d /l?/d");
const expected = "5 300\n1 1\n301\n/l5/d";
const pull = (): Promise<unknown> => daemon.docker(["pull", "-q", image]);
const rmi = (): Promise<unknown> => daemon.docker(["rmi", image]);

it("kill -9 in the middle of a pull leaves no orphan, and the pull then succeeds", async () => {
  const duration = await timed(pull);
  expect(await intact(image)).toBe(expected);
  await rmi();
  for (const moment of moments(MOMENTS, duration)) {
    await interrupted(pull, moment);
    await daemon.dockerOk("pull", "-q", image);
    expect({ moment, content: await intact(image) }).toEqual({ moment, content: expected });
    await daemon.dockerOk("rmi", image);
  }
  await emptied(daemon);
}, 600_000);

it("kill -9 in the middle of an rmi leaves no half of an image", async () => {
  await daemon.dockerOk("pull", "-q", image);
  const duration = await timed(rmi);
  for (const moment of moments(MOMENTS, duration + 20)) {
    await daemon.dockerOk("pull", "-q", image);
    await interrupted(rmi, moment);
    const left = (await daemon.dockerOk("images", "-q", image)) !== "";
    if (left) {
      expect({ moment, content: await intact(image) }).toEqual({ moment, content: expected });
      await daemon.dockerOk("rmi", image);
    }
    await emptied(daemon);
  }
}, 600_000);

it("kill -9 in the middle of a commit leaves the container, and the commit then succeeds", async () => {
  await daemon.dockerOk("pull", "-q", image);
  await daemon.dockerOk("run", "--name", "changed", image, "sh", "-c", "mkdir /new; for i in $(seq 500); do echo $i > /new/$i; done; head -c 5000000 /dev/urandom > /new/big; rm -r /l5/d");
  const commit = (): Promise<unknown> => daemon.docker(["commit", "changed", "result:1"]);
  const duration = await timed(commit);
  await daemon.dockerOk("rmi", "result:1");
  for (const moment of moments(MOMENTS, duration)) {
    await interrupted(commit, moment);
    await daemon.dockerOk("commit", "changed", "result:1");
    expect(await daemon.dockerOk("run", "--rm", "--network", "none", "result:1", "sh", "-c", "ls /new | wc -l; cat /new/500; ls -d /l?/d 2>/dev/null | wc -l")).toBe("501\n500\n0");
    await daemon.dockerOk("image", "rm", "result:1");
    await daemon.dockerOk("image", "prune", "-f");
  }
  await daemon.dockerOk("rm", "changed");
  await daemon.dockerOk("rmi", image);
  await emptied(daemon);
}, 600_000);
