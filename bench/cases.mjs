// The bench's cases.
//
// A case: before (once) -> [prep, run, post] per round -> after (once). The sample is run's wall time unless it returns a
// number or {metric: number}; before and after may return metrics too. `heavy` cases flush dirty pages before the clock
// starts. `build` cases want an engine that builds.
import { spawn, spawnSync } from "node:child_process";
import { createReadStream, statSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { inParallel } from "./engine.mjs";
import { memory } from "./procs.mjs";
import { quantile } from "./report.mjs";

const now = () => performance.now();
const timed = async (fn) => { const t = now(); await fn(); return now() - t; };
const range = (n) => Array.from({ length: n }, (_, i) => i);
const LOG_LINES = 200_000;
const LOG_PROGRAM = `BEGIN{for(i=0;i<${LOG_LINES};i++)print i " the quick brown fox jumps over the lazy dog, again and again"}`;


/** `data`: the folder of gen.mjs. `registry`: host and port that hold its images. */
export function casesFor({ data, registry }) {
  const W = Object.fromEntries([1, 2, 3, 4, 5, 6].map((n) => [n, `${registry}/bench/w${n}:latest`]));
  const IMG = W[1];
  function runBuild(e, context, query) {
    return e.progress("POST", "/build", { query: { t: "bench-build:x", rm: 1, forcerm: 1, ...query }, file: createReadStream(`${data}/${context}`, { highWaterMark: 1 << 20 }) });
  }
  function build(id, context, query) {
    return {
      id, rounds: 5, heavy: true,
      prep: (e) => e.rmi("bench-build:x"),
      run: async (e) => {
        const text = await runBuild(e, context, query);
        if (!query.nocache && !/using cache/i.test(text)) throw new Error("the build was not cached");
      },
      after: (e) => e.rmi("bench-build:x").then(() => {}),
    };
  }
  /** A process that samples answers; `stop` resolves with quantiles of each kind. */
  function sampling(e, container) {
    const child = spawn(process.execPath, [fileURLToPath(new URL("sampler.mjs", import.meta.url)), e.socket, container], { stdio: ["pipe", "pipe", "inherit"] });
    let text = "";
    child.stdout.on("data", (chunk) => { text += chunk; });
    const ended = new Promise((resolve, reject) => child.on("error", reject).on("close", (code) => (code === 0 ? resolve() : reject(new Error(`the sampler ended with ${code}`)))));
    return async function stop() {
      child.stdin.end();
      await ended;
      return Object.fromEntries(Object.entries(JSON.parse(text)).flatMap(([what, ms]) => [["n", ms.length], ["p50", quantile(ms, 0.5)], ["p99", quantile(ms, 0.99)], ["max", Math.max(...ms)]].map(([q, v]) => [`${what} ${q}`, v])));
    };
  }
  /** Removes W2..W5, so that no pull or load finds a layer. */
  async function clear(e) { for (const n of [3, 2, 4, 5]) await e.rmi(W[n]); }

  return [
    { id: "mem.idle", unit: "MiB", rounds: 1, run: async (e) => memory(e) },

    { id: "cli.ps", rounds: 20, run: (e) => e.cli("ps", "-q") },
    { id: "cli.run none", rounds: 20, run: (e) => e.cli("run", "--rm", "--network", "none", "--label", "bench=1", IMG, "true") },
    { id: "cli.run bridge", rounds: 20, run: (e) => e.cli("run", "--rm", "--label", "bench=1", IMG, "true") },
    ...["none", "bridge"].map((network) => ({
      id: `api.life ${network}`, rounds: 20,
      async run(e) {
        const t = [now()];
        const id = await e.create(IMG, ["true"], { network }); t.push(now());
        await e.start(id); t.push(now());
        const code = await e.wait(id); t.push(now());
        await e.rm(id); t.push(now());
        if (code !== 0) throw new Error(`exit ${code}`);
        return { create: t[1] - t[0], start: t[2] - t[1], wait: t[3] - t[2], rm: t[4] - t[3], total: t[4] - t[0] };
      },
    })),
    {
      id: "api.exec", rounds: 20,
      async before(e) { e.box = await e.create(IMG, ["sleep", "1000"]); await e.start(e.box); },
      async run(e) { const code = await e.exec(e.box, ["true"]); if (code !== 0) throw new Error(`exit ${code}`); },
      after: (e) => e.rm(e.box).then(() => {}),
    },
    ...["none", "bridge"].map((network) => ({
      id: `parallel50 ${network}`, rounds: 5, heavy: true,
      async run(e) {
        const m = {};
        let ids;
        m.create = await timed(async () => { ids = await inParallel(50, range(50), () => e.create(IMG, ["true"], { network })); });
        m["start→exited"] = await timed(() => inParallel(50, ids, async (id) => { await e.start(id); await e.wait(id); }));
        m.rm = await timed(() => inParallel(50, ids, (id) => e.rm(id)));
        return m;
      },
    })),
    {
      id: "mem.per container", unit: "MiB", rounds: 3,
      async run(e) {
        const base = memory(e);
        const ids = await inParallel(4, range(10), () => e.create(IMG, ["sleep", "1000"], { network: "bridge" }));
        await inParallel(4, ids, (id) => e.start(id));
        await new Promise((r) => setTimeout(r, 1500));
        const full = memory(e);
        await inParallel(4, ids, (id) => e.rm(id));
        await new Promise((r) => setTimeout(r, 500));
        return { procs: (full.procs - base.procs) / 10, rss: (full.rss - base.rss) / 10, pss: (full.pss - base.pss) / 10 };
      },
    },
    {
      id: "logs 200k lines", rounds: 5, heavy: true,
      async run(e) {
        const id = await e.create(IMG, ["awk", LOG_PROGRAM]);
        const m = {};
        let lines;
        m["start→follow end"] = await timed(async () => { await e.start(id); lines = await e.countLines(id, { follow: 1 }); });
        m["lines that follow lost"] = LOG_LINES - lines;
        await e.wait(id);
        m.fetch = await timed(async () => { lines = await e.countLines(id); });
        if (lines !== LOG_LINES) throw new Error(`fetch gave ${lines} lines`);
        m["tail 100"] = await timed(async () => { await e.countLines(id, { tail: 100 }); });
        await e.rm(id);
        return m;
      },
    },
    {
      id: "commit 5k files", rounds: 5, heavy: true,
      async before(e) {
        e.box = await e.create(IMG, ["sh", "-c", 'mkdir -p /d && for i in $(seq 5000); do echo "file $i" > /d/$i; done']);
        await e.start(e.box);
        await e.wait(e.box);
      },
      run: (e) => e.call("POST", "/commit", { query: { container: e.box, repo: "bench-commit", tag: "x", pause: 0 }, json: {} }),
      post: (e) => e.rmi("bench-commit:x"),
      after: (e) => e.rm(e.box).then(() => {}),
    },
    build("build 12 steps cold", "context-12.tar", { nocache: 1 }),
    { ...build("build 12 steps cached", "context-12.tar", {}), rounds: 10, prep: undefined, before: (e) => runBuild(e, "context-12.tar", {}).then(() => {}) },
    build("build COPY 40k files", "context-40k.tar", { nocache: 1 }),

    ...[2, 3, 4, 5].map((n) => ({
      id: `image w${n}`, rounds: 5, heavy: true,
      prep: (e) => clear(e),
      async run(e) {
        const pull = await timed(() => e.pull(W[n]));
        spawnSync("sync");
        return { pull, rmi: await timed(() => e.rmi(W[n])) };
      },
    })),
    ...[
      ["read w3", 3, { "find+stat": "find /app /usr -printf %s >/dev/null", "read all": "find /app /usr -type f -print0 | xargs -0 cat >/dev/null" }],
      ["read w4", 4, { "1 GiB": "cat /data/* >/dev/null" }],
    ].map(([id, n, commands]) => ({
      id, rounds: 5, heavy: true,
      async before(e) { await e.ensure(W[n]); e.box = await e.create(W[n], ["sleep", "1000"]); await e.start(e.box); },
      async run(e) {
        const m = {};
        for (const [what, command] of Object.entries(commands)) {
          const go = async () => { const code = await e.exec(e.box, ["sh", "-c", command]); if (code !== 0) throw new Error(`exit ${code}`); };
          writeFileSync("/proc/sys/vm/drop_caches", "3");
          m[`${what} cold`] = await timed(go);
          m[`${what} warm`] = await timed(go);
        }
        return m;
      },
      after: (e) => e.rm(e.box).then(() => {}),
    })),
    {
      id: "load w3", rounds: 5, heavy: true,
      prep: (e) => clear(e),
      run: (e) => e.progress("POST", "/images/load", { query: { quiet: 1 }, file: createReadStream(`${data}/w3.tar`, { highWaterMark: 1 << 20 }) }),
    },
    {
      id: "save w3", unit: "MB/s", rounds: 5, heavy: true,
      before: (e) => e.ensure(W[3]),
      async run(e) {
        let bytes = 0;
        const ms = await timed(async () => { for await (const c of await e.open("GET", `/images/${W[3]}/get`)) bytes += c.length; });
        if (bytes < statSync(`${data}/w3.tar`).size / 2) throw new Error(`save gave ${bytes} bytes`);
        return bytes / 1e3 / ms;
      },
    },
    {
      // A loaded image: no registry is known to have its layers, so they are packed and sent.
      id: "push w3", rounds: 5, heavy: true,
      async before(e) {
        await clear(e);
        await e.progress("POST", "/images/load", { query: { quiet: 1 }, file: createReadStream(`${data}/w3.tar`, { highWaterMark: 1 << 20 }) });
      },
      async prep(e) {
        // To a repository that knows none of them either.
        e.pushed = `${registry}/bench-push/${process.pid}-${Math.random().toString(36).slice(2)}`;
        await e.call("POST", `/images/${W[3]}/tag`, { query: { repo: e.pushed, tag: "x" } });
      },
      run: (e) => e.progress("POST", `/images/${e.pushed}/push`, { query: { tag: "x" }, headers: { "X-Registry-Auth": "e30=" } }),
      post: (e) => e.rmi(`${e.pushed}:x`),
      after: (e) => clear(e),
    },
    {
      id: "images 1000 tags", rounds: 20,
      async before(e) {
        for (const n of [1, 2, 3, 4, 5]) await e.ensure(W[n]);
        const ms = await timed(async () => { for (const i of range(1000)) await e.call("POST", `/images/${W[1 + (i % 5)]}/tag`, { query: { repo: `bench-tags/r${i % 10}`, tag: `t${i}` } }); });
        return { "tag one": ms / 1000 };
      },
      async run(e) {
        const m = {};
        let list;
        m.list = await timed(async () => { list = (await e.call("GET", "/images/json")).json(); });
        const tags = list.reduce((a, i) => a + (i.RepoTags?.length ?? 0), 0);
        if (tags < 1000) throw new Error(`${tags} tags listed`);
        m["system df"] = await timed(() => e.call("GET", "/system/df"));
        return m;
      },
      async after(e) {
        const ms = await timed(async () => { for (const i of range(1000)) await e.call("DELETE", `/images/bench-tags/r${i % 10}:t${i}`, { query: { noprune: 1 } }); });
        return { "untag one": ms / 1000 };
      },
    },
    {
      id: "ps 500 containers", rounds: 20,
      async before(e) {
        const ms = await timed(() => inParallel(4, range(500), () => e.create(IMG, ["true"], { network: "bridge" })));
        return { "create one (4 wide)": ms / 500 };
      },
      async run(e) {
        const m = {};
        let list;
        m.list = await timed(async () => { list = (await e.call("GET", "/containers/json", { query: { all: 1 } })).json(); });
        if (list.length < 500) throw new Error(`${list.length} listed`);
        m.inspect = await timed(() => e.call("GET", `/containers/${list[250].Id}/json`));
        m["system df"] = await timed(() => e.call("GET", "/system/df"));
        return m;
      },
      async after(e) {
        const ms = await timed(() => e.sweep());
        return { "rm one (8 wide)": ms / 500 };
      },
    },
    {
      id: "latency", rounds: 3, heavy: true,
      async before(e) {
        e.boxes = await inParallel(4, range(50), () => e.create(IMG, ["sleep", "1000"], { network: "bridge" }));
        await inParallel(4, e.boxes, (id) => e.start(id));
        e.box = await e.create(IMG, ["sh", "-c", 'mkdir -p /d && for i in $(seq 5000); do echo "file $i" > /d/$i; done']);
        await e.start(e.box);
        await e.wait(e.box);
        const stop = sampling(e, e.boxes[0]);
        await new Promise((r) => setTimeout(r, 5000));
        return Object.fromEntries(Object.entries(await stop()).map(([what, v]) => [`at rest, ${what}`, v]));
      },
      async prep(e) {
        await e.rmi(W[6]);
        e.going = await inParallel(4, range(20), () => e.create(IMG, ["sleep", "1000"], { network: "bridge" }));
        await inParallel(4, e.going, (id) => e.start(id));
      },
      async run(e) {
        const stop = sampling(e, e.boxes[0]), m = {};
        await Promise.all([
          timed(() => e.pull(W[6])).then((ms) => { m["took: pull 2 GiB"] = ms; }),
          timed(() => inParallel(20, e.going, (id) => e.rm(id))).then((ms) => { m["took: rm -f 20"] = ms; }),
          timed(() => e.call("POST", "/commit", { query: { container: e.box, repo: "bench-commit", tag: "x", pause: 0 }, json: {} })).then((ms) => { m["took: commit 5k files"] = ms; }),
        ]);
        return { ...await stop(), ...m };
      },
      post: (e) => e.rmi("bench-commit:x"),
      async after(e) {
        await inParallel(8, [...e.boxes, e.box], (id) => e.rm(id));
        await e.rmi(W[6]);
      },
    },
    { id: "mem.end", unit: "MiB", rounds: 1, run: async (e) => memory(e) },
  ];
}
