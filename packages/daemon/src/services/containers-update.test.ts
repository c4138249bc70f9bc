import { readFileSync } from "node:fs";
import { whyNoRuntime } from "../drivers/runtime/testing.js";
import { foldersOf } from "../drivers/runtime/meters.js";
import { ContainerRig } from "./testing/container-rig.js";

const why = new Map(["runc", "crun"].map((name) => [name, whyNoRuntime(name)]));
for (const [name, reason] of why) if (reason !== null) test.skip(`updates on ${name} (skipped: ${reason})`, () => undefined);
const usable = [...why].filter(([, reason]) => reason === null).map(([name]) => name);

(usable.length > 0 ? describe.each(usable) : describe.skip.each(["runc"]))("updates on %s", (runtime) => {
  let rig: ContainerRig;
  beforeAll(async () => {
    rig = await ContainerRig.open(runtime);
    await rig.image("busybox:latest");
  });
  afterAll(() => rig.close());
  afterEach(async () => {
    for (const { id } of [...rig.stores.containers.list()]) await rig.containers.remove(id, { force: true, volumes: true, link: false });
    expect(rig.leftovers()).toEqual([]);
  });

  /** What the kernel holds a container to: memory, quota, processes. */
  function limits(pid: number): string[] {
    const folders = foldersOf(readFileSync(`/proc/${pid}/cgroup`, "utf8"), readFileSync("/proc/self/mounts", "utf8"));
    const read = (controller: string, v1: string, v2: string): string => readFileSync(folders.has(controller) ? `${folders.get(controller)}/${v1}` : `${folders.get("")}/${v2}`, "utf8").trim().split(" ")[0]!;
    return [read("memory", "memory.limit_in_bytes", "memory.max"), read("cpu", "cpu.cfs_quota_us", "cpu.max"), read("pids", "pids.max", "pids.max")];
  }
  const hostConfig = (id: string) => rig.stores.containers.get(rig.stores.containers.resolve(id)).hostConfig;

  test("limits of a running container hold at once, and after its next start", async () => {
    const id = await rig.create(["sleep", "100"], { hostConfig: { Memory: 64 << 20, PidsLimit: 50 } });
    await rig.containers.start(id);
    expect(limits(rig.state(id).pid)).toEqual([String(64 << 20), expect.stringMatching(/^(-1|max)$/), "50"]);
    expect(await rig.containers.update(id, { Memory: 96 << 20, MemorySwap: 192 << 20, CpuQuota: 25_000, CpuPeriod: 100_000, PidsLimit: 0 })).toEqual({ warnings: [] });
    expect(limits(rig.state(id).pid)).toEqual([String(96 << 20), "25000", String(2 ** 22)]);
    expect(hostConfig(id)).toMatchObject({ Memory: 96 << 20, MemorySwap: 192 << 20, CpuQuota: 25_000, PidsLimit: null });
    expect(rig.actions(id)).toEqual(["create", "start", "update"]);
    await rig.containers.update(id, { PidsLimit: 20 });
    await rig.containers.restart(id, { timeoutSeconds: 0 });
    expect(limits(rig.state(id).pid)).toEqual([String(96 << 20), "25000", "20"]);
  });

  test("what is refused changes nothing", async () => {
    const id = await rig.create(["sleep", "100"], { hostConfig: { Memory: 64 << 20, NanoCpus: 5e8, AutoRemove: true } });
    await rig.containers.start(id);
    const before = hostConfig(id);
    const refusal = (code: string, message: string): object => ({ code, message: expect.stringContaining(message) as string });
    await expect(rig.containers.update(id, { Memory: 1000 })).rejects.toMatchObject(refusal("InvalidArgument", "Minimum memory limit allowed is 6MB"));
    await expect(rig.containers.update(id, { NanoCpus: 1e15 })).rejects.toMatchObject(refusal("InvalidArgument", "range of CPUs"));
    await expect(rig.containers.update(id, { RestartPolicy: { Name: "sometimes" } })).rejects.toMatchObject(refusal("InvalidArgument", "invalid restart policy"));
    await expect(rig.containers.update(id, { CpuQuota: 10_000 })).rejects.toMatchObject(refusal("Conflict", "CPU Quota cannot be updated as NanoCPUs has already been set"));
    await expect(rig.containers.update(id, { Memory: 512 << 20 })).rejects.toMatchObject(refusal("Conflict", "update the memoryswap at the same time"));
    await expect(rig.containers.update(id, { RestartPolicy: { Name: "always" } })).rejects.toMatchObject(refusal("Conflict", "Restart policy cannot be updated because AutoRemove is enabled for the container"));
    await expect(rig.containers.update(id, { CpusetCpus: "4000" })).rejects.toMatchObject(refusal("InvalidArgument", "Requested CPUs are not available - requested 4000"));
    expect(hostConfig(id)).toEqual(before);
    await expect(rig.containers.update("none", {})).rejects.toMatchObject({ code: "NotFound" });
  });

  test("a paused container takes new limits and stays paused", async () => {
    const id = await rig.create(["sleep", "100"]);
    await rig.containers.start(id);
    await rig.containers.pause(id, true);
    await rig.containers.update(id, { Memory: 64 << 20 });
    expect([limits(rig.state(id).pid)[0], rig.state(id).status, (await rig.runtime.state(id))!.status]).toEqual([String(64 << 20), "paused", "paused"]);
  });

  test("a policy that is given to a running container decides at its end", async () => {
    const id = await rig.create(["sh", "-c", "sleep 0.2; exit 3"]);
    await rig.containers.update(id, { CpuShares: 512, RestartPolicy: { Name: "on-failure", MaximumRetryCount: 1 } });
    expect(hostConfig(id)).toMatchObject({ CpuShares: 512, RestartPolicy: { Name: "on-failure", MaximumRetryCount: 1 } });
    await rig.containers.start(id);
    await rig.exit(id);
    expect(rig.state(id)).toMatchObject({ exitCode: 3, restartCount: 1 });
  });
});
