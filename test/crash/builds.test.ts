import { Dice, type Daemon, type Result, agreed, daemonNeeds, emptied, ledgerRows, makeContext, needs, setUp, sleep, until } from "../helpers/index.js";

const it = needs(...daemonNeeds, "docker");

/** Kills of the daemon. More of them find what is rare. */
const KILLS = Number(process.env["STRATA_CRASH_BUILDS"] ?? 6);
const SEED = Number(process.env["STRATA_CRASH_SEED"] ?? Date.now() % 1_000_000);

let daemon: Daemon;
let folder: string;
setUp(async (bed) => {
  daemon = await bed.daemonWithBusybox();
  folder = makeContext(bed.folder, {
    ...Object.fromEntries(Array.from({ length: 200 }, (_, i) => [`tree/d${i % 10}/f${i}`, `${i}\n`.repeat(50)])), page: "<p>page</p>\n",
    Dockerfile: [
      "FROM busybox AS one", "WORKDIR /one/w", "COPY tree /one/tree", "RUN cat /one/tree/*/* | sha256sum > /one/sum && rm -r /one/tree/d3 && ln /one/sum /one/again",
      "FROM busybox AS two", "RUN --mount=type=cache,target=/cache echo two > /cache/two && head -c 3000000 /dev/zero > /two && ln -s two /link",
      "FROM one", "COPY --from=two /two /link /from-two/", "COPY page /one/page", "RUN --mount=type=bind,target=/context busybox cmp /context/page /one/page && mkdir -m 700 /last && mv /one/page /last/page", "ENV DONE=1", 'CMD ["cat", "/one/sum", "/last/page"]', "",
    ].join("\n"),
  });
});

const EPOCH = ["--build-arg", "SOURCE_DATE_EPOCH=1000000000"];
const build = (...args: string[]): Promise<Result> => daemon.docker(["build", ...EPOCH, ...args, folder], { env: { DOCKER_BUILDKIT: "0" } });
async function built(tag: string): Promise<string> {
  const { code, stdout, stderr } = await build("-t", tag);
  if (code !== 0) throw new Error(`docker build: ${stderr}\n${stdout}`);
  return (await daemon.inspect(tag, "image")).Id as string;
}
/** Images, the cache and its directories. */
async function forgetAll(): Promise<void> {
  for (const tag of ["built", "cut-0", "cut-1"]) await daemon.docker(["rmi", "-f", tag]);
  await daemon.dockerOk("builder", "prune", "-af");
  await daemon.dockerOk("volume", "prune", "-af");
}
const content = (): Promise<string> => daemon.dockerOk("run", "--rm", "--network", "none", "built", "sh", "-c", "cat /one/sum /last/page; busybox cmp /one/sum /one/again && ls /one/tree | wc -l; wc -c < /from-two/link; stat -c '%a %Y' /last /one/w");

it(`kill -9 in the middle of builds leaves nothing behind, a cache that works, and the same image (seed ${SEED})`, async () => {
  const dice = new Dice(SEED), started = performance.now();
  const id = await built("built"), whole = performance.now() - started, expected = await content();
  const before = ledgerRows(daemon).filter((row) => !row.startsWith("volume "));
  let inCut = 0;
  for (let kill = 0; kill < KILLS; kill++) {
    // With an empty cache, past a full one, or from one: what is done is not the same.
    const kind = dice.of(["empty", "empty", "no-cache", "cached"] as const), atOnce = 1 + dice.below(2);
    if (kind === "empty") await forgetAll();
    const moment = dice.next() * whole * (kind === "cached" ? 0.3 : atOnce) * 1.1;
    const context = { seed: SEED, kill, kind, atOnce, moment };
    const under = Array.from({ length: atOnce }, (_, i) => build("-t", `cut-${i}`, ...(kind === "no-cache" ? ["--no-cache"] : [])));
    await sleep(moment);
    await daemon.kill9();
    const results = await Promise.all(under);
    if (results.some(({ code }) => code !== 0)) inCut++;
    await daemon.start();
    await agreed(daemon, context);
    expect({ ...context, containers: await daemon.dockerOk("ps", "-aq") }).toEqual({ ...context, containers: "" });
    await until(() => JSON.stringify(ledgerRows(daemon).filter((row) => !row.startsWith("volume "))) === JSON.stringify(before) || undefined, 30_000, () => `a ledger as before ${JSON.stringify(context)}: ${ledgerRows(daemon).join("\n")}`);
    expect({ ...context, id: await built("built") }).toEqual({ ...context, id });
    expect({ ...context, content: await content() }).toEqual({ ...context, content: expected });
    // What the builds that were cut off finished is there for the next.
    const { stdout } = await build("-t", "built");
    expect({ ...context, cached: stdout.match(/Using cache/g)?.length }).toEqual({ ...context, cached: 9 });
  }
  if (KILLS >= 6) expect(inCut).toBeGreaterThan(0);
  await forgetAll();
  await daemon.dockerOk("image", "prune", "-af");
  await emptied(daemon);
}, 120_000 + KILLS * 30_000);
