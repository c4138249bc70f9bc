import { type Answer, type Daemon, Dice, type Json, agreed, daemonNeeds, needs, setUp, sleep, until } from "../helpers/index.js";

const it = needs(...daemonNeeds);

/** Kills of the daemon, and verbs that are under way at each. More of them find what is rare. */
const ROUNDS = Number(process.env["STRATA_CRASH_ROUNDS"] ?? 12), AT_ONCE = 3;
const SEED = Number(process.env["STRATA_CRASH_SEED"] ?? Date.now() % 1_000_000);

const dice = new Dice(SEED), random = (): number => dice.next();

let daemon: Daemon;
setUp(async (bed) => {
  daemon = await bed.daemonWithBusybox();
  await api("POST", "/networks/create", { Name: "always" });
});

async function api(method: string, path: string, json?: unknown, query: Record<string, string | number> = {}): Promise<Json> {
  const { status, text, json: answer }: Answer = await daemon.api(method, path, { query, ...(json === undefined ? {} : { json }) });
  if (status >= 400) throw new Error(`${method} ${path}: ${status} ${text}`);
  return answer;
}
const exists = async (path: string): Promise<boolean> => (await daemon.api("GET", path)).status === 200;
const inspect = (name: string): Promise<Json> => api("GET", `/containers/${name}/json`);
const post = (name: string, verb: string, query: Record<string, string | number> = {}, json?: unknown): Promise<Json> => api("POST", `/containers/${name}/${verb}`, json, query);
async function remove(name: string): Promise<void> {
  const { status, text } = await daemon.api("DELETE", `/containers/${name}`, { query: { force: 1, v: 1 } });
  if (status !== 204 && status !== 404) throw new Error(`${name} cannot be removed: ${status} ${text}`);
}
const create = (name: string, command: string, host: object = {}, config: object = {}): Promise<Json> =>
  api("POST", "/containers/create", { Image: "busybox", Cmd: ["sh", "-c", command], HostConfig: host, ...config }, { name });
async function run(name: string, command: string, host: object = {}, config: object = {}): Promise<void> {
  await create(name, command, host, config);
  await post(name, "start");
}
const becomes = (name: string, what: string, holds: (state: Json, c: Json) => boolean): Promise<Json> => until(async () => {
  const c = await inspect(name);
  return holds(c.State, c) ? c : undefined;
}, 30_000, `${name}: ${what}`);

/** Waits until it is told to end: by TERM (7), or by a file. */
const WAITS = "trap 'exit 7' TERM; while [ ! -e /end ]; do sleep 0.05; done; exit 9";

interface Verb {
  /** Puts up what the verb works on. */
  prepare(name: string): Promise<unknown>;
  /** What is cut short. */
  act(name: string): Promise<unknown>;
  /** What must hold once the daemon is back, besides its agreement with the kernel; and gives up what was put up. */
  check(name: string): Promise<unknown>;
}

/** It can be started when it does not run, and works then. */
async function works(name: string): Promise<void> {
  const { State } = await inspect(name);
  if (State.Paused) await post(name, "unpause");
  else if (!State.Running) await post(name, "start");
  await becomes(name, "runs", ({ Running, Pid }) => Running && Pid > 0);
}
/** When it has gone its name is free; else it works. */
async function goneOrWorks(name: string): Promise<void> {
  if (await exists(`/containers/${name}/json`)) await works(name);
  else await run(name, WAITS);
}

const verbs: Readonly<Record<string, Verb>> = {
  create: { prepare: async () => undefined, act: (n) => create(n, WAITS, {}, { Volumes: { "/data": {} } }), check: goneOrWorks },
  start: { prepare: (n) => create(n, WAITS, { PortBindings: { "80/tcp": [{ HostPort: "8080" }] } }, { ExposedPorts: { "80/tcp": {} } }), act: (n) => post(n, "start"), check: works },
  stop: {
    prepare: (n) => run(n, WAITS, { RestartPolicy: { Name: "unless-stopped" } }), act: (n) => post(n, "stop"),
    async check(n) {
      const { State, RestartCount } = await inspect(n);
      if (!State.Running) expect([State.ExitCode, RestartCount]).toEqual([7, 0]);
      await works(n);
    },
  },
  kill: {
    prepare: (n) => run(n, WAITS), act: (n) => post(n, "kill"),
    async check(n) {
      const { State } = await inspect(n);
      if (!State.Running) expect(State.ExitCode).toBe(137);
      await works(n);
    },
  },
  rm: { prepare: async (n) => { await run(n, "true", {}, { Volumes: { "/data": {} } }); await post(n, "wait"); }, act: (n) => api("DELETE", `/containers/${n}`, undefined, { v: 1 }), check: (n) => goneOrWorksOnce(n) },
  "rm -f": { prepare: (n) => run(n, WAITS, { PortBindings: { "80/tcp": [{ HostPort: "8081" }] } }, { ExposedPorts: { "80/tcp": {} } }), act: (n) => api("DELETE", `/containers/${n}`, undefined, { force: 1 }), check: goneOrWorks },
  exec: {
    prepare: (n) => run(n, WAITS),
    async act(n) {
      const { Id } = await api("POST", `/containers/${n}/exec`, { Cmd: ["usleep", "20000"], AttachStdout: true });
      await api("POST", `/exec/${Id}/start`, { Detach: false });
    },
    async check(n) {
      const { Id } = await api("POST", `/containers/${n}/exec`, { Cmd: ["touch", "/end"], AttachStdout: true });
      await api("POST", `/exec/${Id}/start`, { Detach: false });
      expect((await becomes(n, "ends", ({ Status }) => Status === "exited")).State.ExitCode).toBe(9);
    },
  },
  pause: { prepare: (n) => run(n, WAITS), act: (n) => post(n, "pause"), check: works },
  unpause: { prepare: async (n) => { await run(n, WAITS); await post(n, "pause"); }, act: (n) => post(n, "unpause"), check: works },
  rename: {
    prepare: (n) => run(n, WAITS), act: (n) => post(n, "rename", { name: `${n}-new` }),
    async check(n) {
      const [old, fresh] = await Promise.all([exists(`/containers/${n}/json`), exists(`/containers/${n}-new/json`)]);
      expect([old, fresh].filter(Boolean)).toHaveLength(1);
      await create(old ? `${n}-new` : n, "true");
      await remove(`${n}-new`);
    },
  },
  update: { prepare: (n) => run(n, WAITS, { Memory: 64 << 20 }), act: (n) => post(n, "update", {}, { Memory: 48 << 20 }), check: works },
  connect: {
    prepare: (n) => run(n, WAITS), act: (n) => api("POST", "/networks/always/connect", { Container: n }),
    async check(n) {
      if (!("always" in (await inspect(n)).NetworkSettings.Networks)) await api("POST", "/networks/always/connect", { Container: n });
    },
  },
  disconnect: {
    prepare: (n) => run(n, WAITS, { NetworkMode: "always" }), act: (n) => api("POST", "/networks/always/disconnect", { Container: n }),
    async check(n) {
      if ("always" in (await inspect(n)).NetworkSettings.Networks) await api("POST", "/networks/always/disconnect", { Container: n });
    },
  },
  "network create": {
    prepare: async () => undefined, act: (n) => api("POST", "/networks/create", { Name: n }),
    async check(n) {
      if (!(await exists(`/networks/${n}`))) await api("POST", "/networks/create", { Name: n });
      await run(n, WAITS, { NetworkMode: n });
    },
  },
  "network rm": {
    prepare: (n) => api("POST", "/networks/create", { Name: n }), act: (n) => api("DELETE", `/networks/${n}`),
    async check(n) {
      if (!(await exists(`/networks/${n}`))) await api("POST", "/networks/create", { Name: n });
      await run(n, WAITS, { NetworkMode: n });
    },
  },
  "volume create": { prepare: async () => undefined, act: (n) => api("POST", "/volumes/create", { Name: n }), check: (n) => run(n, WAITS, { Binds: [`${n}:/data`] }) },
  "volume rm": { prepare: (n) => api("POST", "/volumes/create", { Name: n }), act: (n) => api("DELETE", `/volumes/${n}`), check: (n) => run(n, WAITS, { Binds: [`${n}:/data`] }) },
  restarts: {
    prepare: (n) => run(n, "exit 3", { RestartPolicy: { Name: "always" } }), act: () => sleep(300),
    async check(n) {
      const { RestartCount } = await inspect(n);
      await becomes(n, "goes on to be restarted", ({ ExitCode }, c) => c.RestartCount > RestartCount && ExitCode === 3);
      await post(n, "stop");
    },
  },
  "restarts on failure": {
    prepare: (n) => run(n, "exit 3", { RestartPolicy: { Name: "on-failure", MaximumRetryCount: 3 } }), act: () => sleep(500),
    async check(n) {
      const { State } = await becomes(n, "has had its tries", ({ Status }) => Status === "exited");
      expect(State.ExitCode).toBe(3);
    },
  },
  "auto-remove": {
    prepare: (n) => create(n, "usleep 30000; exit 5", { AutoRemove: true }, { Volumes: { "/data": {} } }), act: (n) => post(n, "start"),
    async check(n) {
      if ((await daemon.api("GET", `/containers/${n}/json`)).json?.State?.Status === "created") await remove(n);
      await until(async () => !(await exists(`/containers/${n}/json`)) || undefined, 30_000, `${n} to be removed by itself`);
    },
  },
  "health check": {
    prepare: (n) => run(n, WAITS, {}, { Healthcheck: { Test: ["CMD", "usleep", "10000"], Interval: 20_000_000, Retries: 2 } }), act: () => sleep(200),
    check: (n) => becomes(n, "is healthy", ({ Health }) => Health.Status === "healthy"),
  },
  "an end that nobody sees": {
    prepare: (n) => run(n, "usleep 100000; exit 11"), act: () => sleep(200),
    async check(n) { expect((await becomes(n, "ends", ({ Status }) => Status === "exited")).State.ExitCode).toBe(11); },
  },
  "an end for want of memory": {
    prepare: (n) => run(n, "usleep 50000; exec tail /dev/zero", { Memory: 8 << 20 }), act: () => sleep(200),
    async check(n) { expect((await becomes(n, "ends", ({ Status }) => Status === "exited")).State).toMatchObject({ ExitCode: 137, OOMKilled: true }); },
  },
};

async function goneOrWorksOnce(name: string): Promise<void> {
  if (await exists(`/containers/${name}/json`)) await post(name, "start");
  else await run(name, "true");
  await becomes(name, "ends", ({ Status }) => Status === "exited");
}
async function giveUp(name: string): Promise<void> {
  await remove(name);
  await daemon.api("DELETE", `/networks/${name}`);
  await daemon.api("DELETE", `/volumes/${name}`);
}

/** How long a verb takes when it is left alone, in milliseconds. */
const durations = new Map<string, number>();
async function duration(what: string): Promise<number> {
  const verb = verbs[what]!, known = durations.get(what);
  if (known !== undefined) return known;
  await verb.prepare("measured");
  const start = performance.now();
  await verb.act("measured");
  const took = performance.now() - start;
  await giveUp("measured");
  await giveUp("measured-new");
  durations.set(what, took);
  return took;
}

it(`kill -9 in the middle of anything leaves the daemon and the kernel of one mind (seed ${SEED})`, async () => {
  const wanted = process.env["STRATA_CRASH_VERBS"]?.split(",");
  let queue: string[] = [];
  const next = (): string => {
    if (queue.length === 0) queue = (wanted ?? Object.keys(verbs)).map((what) => ({ what, at: random() })).sort((a, b) => a.at - b.at).map(({ what }) => what);
    return queue.shift()!;
  };
  for (let round = 0; round < ROUNDS; round++) {
    const cut = Array.from({ length: AT_ONCE }, (_, i) => ({ what: next(), name: `r${round}-${i}` })).filter(({ what }, i, all) => all.findIndex((c) => c.what === what) === i);
    const took: number[] = [];
    for (const { what } of cut) took.push(await duration(what));
    await Promise.all(cut.map(({ what, name }) => verbs[what]!.prepare(name)));
    const moment = random() * Math.max(...took) * 1.1;
    // Each begins so that the kill finds it somewhere.
    const under = cut.map(async ({ what, name }, i) => {
      await sleep(Math.max(0, moment - random() * took[i]! * 1.1));
      await verbs[what]!.act(name);
    });
    const context = { seed: SEED, round, verbs: cut.map(({ what, name }) => `${name} ${what}`), moment };
    await sleep(moment);
    await daemon.kill9();
    await Promise.allSettled(under);
    await daemon.start();
    await agreed(daemon, context);
    await Promise.all(cut.map(({ what, name }) => verbs[what]!.check(name).catch((cause: unknown) => { throw new Error(`${what}, ${JSON.stringify(context)}: ${String(cause)}`, { cause }); })));
    await agreed(daemon, context);
    await Promise.all(cut.flatMap(({ name }) => [giveUp(name), giveUp(`${name}-new`)]));
  }
  await agreed(daemon, { seed: SEED });
}, 60_000 + ROUNDS * 20_000);
