import type { ImageId } from "@strata/oci";
import type { DataRoot, ImageSummary } from "../core/index.js";
import { silentLogger } from "../core/index.js";
import { Ledger } from "../db/ledger.js";
import { LedgerContainers } from "./containers.js";
import { LedgerImages } from "./images.js";
import { LedgerLeases } from "./leases.js";
import { Figures } from "./usage/figures.js";
import { Trash } from "./trash.js";
import { FakeMounter, TestClock, container, imageConfig, layerRows, temporaryRoot } from "./testing/fixtures.js";

let root: DataRoot, remove: () => void, clock: TestClock, ledger: Ledger, images: LedgerImages, containers: LedgerContainers, made: number;
beforeEach(() => {
  ({ root, remove } = temporaryRoot());
  clock = new TestClock();
  made = 0;
  ledger = Ledger.open(root.ledger);
  images = new LedgerImages(ledger, new LedgerLeases(ledger, clock), clock);
  containers = new LedgerContainers(ledger, root, new Trash(root.trash, new FakeMounter(), undefined as never, silentLogger), undefined as never, new Figures(ledger), clock, silentLogger);
});
afterEach(() => { ledger.close(); remove(); });

function image(...layers: readonly string[]): ImageId {
  const config = imageConfig(layerRows(ledger, layers), { created: new Date(clock.time + (++made * 7919) % 1000).toISOString(), config: { Labels: { n: String(made) } } });
  return images.create(config, new LedgerLeases(ledger, clock).open("test"));
}
const lists = (of: LedgerImages): ImageSummary[][] => [[...of.list({ sharedSize: false })], [...of.list()]];
/** What somebody sees who knows nothing yet. */
function afresh(): ImageSummary[][] {
  const other = Ledger.open(root.ledger);
  try { return lists(new LedgerImages(other, new LedgerLeases(other, clock), clock)); } finally { other.close(); }
}

test("what is kept and what is read again make the same list, whatever changed", () => {
  let seed = 3;
  const random = (n: number): number => { seed = (seed * 1103515245 + 12345) % 2 ** 31; return (seed >> 8) % n; };
  const ids: ImageId[] = [];
  const any = (): ImageId => ids[random(ids.length)]!;
  for (let i = 0; i < 8; i++) ids.push(image("base", `own ${i}`));
  expect(lists(images)).toEqual(afresh());
  const acts: readonly (() => void)[] = [
    () => ids.push(image("base", `middle ${random(3)}`, `own ${made}`)), () => images.tag(any(), `app:${random(20)}`), () => images.untag(`app:${random(20)}`), () => images.touch(any()),
    () => containers.create(container(any(), `box-${made++}`)), () => { for (const { id } of [...containers.list()].slice(0, 1)) containers.remove(id); },
    () => {
      const id = any();
      try { images.remove(id); } catch { return; }
      ids.splice(ids.indexOf(id), 1);
    },
  ];
  for (let round = 0; round < 150; round++) {
    clock.time += 1000;
    // Some that are undone, and looked at before that.
    const undone = random(5) === 0, before = [...ids];
    try {
      ledger.transaction(() => {
        for (let i = 0; i <= random(3); i++) acts[random(acts.length)]!();
        if (random(2) === 0) images.list({ sharedSize: false });
        if (undone) throw new Error("undone");
      });
    } catch (e) {
      if (!undone) throw e;
      ids.splice(0, ids.length, ...before);
    }
    if (random(3) > 0) expect(lists(images)).toEqual(afresh());
  }
});

test("many changes at once", () => {
  for (let i = 0; i < 20; i++) image("base", `own ${i}`);
  lists(images);
  ledger.transaction(() => { for (let i = 0; i < 700; i++) image("base", `more ${i}`); });
  expect(lists(images)).toEqual(afresh());
});

test("shared sizes that were computed aside are those that are computed here, and hold until images or names come or go", async () => {
  for (let i = 0; i < 320; i++) image("base", `middle ${i % 50}`, `own ${i}`);
  const parent = image("base", "steps");
  const child = images.create(imageConfig(layerRows(ledger, ["base", "steps", "more"])), new LedgerLeases(ledger, clock).open("test"), { parent });
  await images.prepareShares();
  expect([...images.list()]).toEqual(afresh()[1]);
  // Layers of a step that nobody named are its child's alone; named, it shares them.
  const shared = (id: ImageId): number | undefined => [...images.list()].find((i) => i.id === id)?.sharedSize;
  expect([shared(parent), shared(child)]).toEqual([10, 10]);
  images.untag("steps");
  images.tag(parent, "steps");
  await images.prepareShares();
  expect([shared(parent), shared(child)]).toEqual([20, 20]);
  images.untag("steps");
  expect([shared(parent), shared(child)]).toEqual([10, 10]);
  // That it has a child may be known later than both.
  const early = image("base", "early"), config = imageConfig(layerRows(ledger, ["base", "early", "late"])), late = images.create(config, new LedgerLeases(ledger, clock).open("test"));
  expect([shared(early), shared(late)]).toEqual([20, 20]);
  images.create(config, new LedgerLeases(ledger, clock).open("test"), { parent: early });
  expect([shared(early), shared(late)]).toEqual([10, 10]);
  images.tag(parent, "steps");
  const preparing = images.prepareShares();
  images.remove(child);
  await preparing;
  expect(shared(parent)).toBe(10);
  expect([...images.list()]).toEqual(afresh()[1]);
});
