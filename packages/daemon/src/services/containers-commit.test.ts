import { whyNoRuntime } from "../drivers/runtime/testing.js";
import { ContainerRig } from "./testing/container-rig.js";

const usable = ["runc", "crun"].filter((name) => whyNoRuntime(name) === null);

(usable.length > 0 ? describe.each(usable) : describe.skip.each([`runc (skipped: ${whyNoRuntime("runc") ?? ""})`]))("commit on %s", (runtime) => {
  let rig: ContainerRig;
  beforeAll(async () => {
    rig = await ContainerRig.open(runtime);
    await rig.image("busybox:latest");
  });
  afterAll(() => rig.close());

  const options = { ref: undefined, author: "", message: "", changes: [], pause: true };
  async function started(): Promise<string> {
    const id = await rig.create(["sleep", "1000"]);
    await rig.containers.start(id);
    return id;
  }

  test("of a container that ends before it can be paused", async () => {
    const id = await started(), { exit } = rig.containers.wait(id, "next-exit", new AbortController().signal);
    const pause = rig.runtime.pause.bind(rig.runtime);
    const spy = jest.spyOn(rig.runtime, "pause").mockImplementationOnce(async (...args) => {
      await rig.runtime.kill(id, 9);
      await exit;
      return pause(...args);
    });
    const made = await rig.containers.commit(id, options);
    spy.mockRestore();
    expect(rig.stores.images.get(made).config.container).toBe(id);
    expect(rig.state(id)).toMatchObject({ status: "exited", exitCode: 137 });
  });

  test("of a container that is removed meanwhile is refused, and leaves nothing", async () => {
    const id = await started(), before = [...rig.stores.images.list()].length;
    const spy = jest.spyOn(rig.runtime, "pause").mockImplementationOnce(async () => { await rig.containers.remove(id, { force: true, volumes: true, link: false }); });
    await expect(rig.containers.commit(id, options)).rejects.toMatchObject({ code: "Conflict", message: `You cannot commit container ${id} which is being removed` });
    spy.mockRestore();
    expect([...rig.stores.images.list()]).toHaveLength(before);
  });

  test("of a container that runs and cannot be paused is refused", async () => {
    const id = await started(), before = [...rig.stores.images.list()].length;
    const spy = jest.spyOn(rig.runtime, "pause").mockRejectedValueOnce(new Error("no freezer"));
    await expect(rig.containers.commit(id, options)).rejects.toThrow("no freezer");
    spy.mockRestore();
    expect([...rig.stores.images.list()]).toHaveLength(before);
    expect(rig.state(id).status).toBe("running");
  });
});
