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

const contents = new Map<ImageId, readonly string[]>();
function image(...layers: readonly string[]): ImageId { return make(layers); }
/** Made from another, of which it has all layers. */
const child = (parent: ImageId, layer: string): ImageId => make([...contents.get(parent)!, layer], parent);
function make(layers: readonly string[], parent?: ImageId): ImageId {
  const config = imageConfig(layerRows(ledger, layers), { created: new Date(clock.time + (++made * 7919) % 1000).toISOString(), config: { Labels: { n: String(made) } } });
  const id = images.create(config, new LedgerLeases(ledger, clock).open("test"), parent === undefined ? {} : { parent });
  contents.set(id, layers);
  return id;
}
/** What an image shares with others, as one would count it: untagged ones that others were made from are no holders. */
const SHARES = `WITH
    steps AS (SELECT id FROM image WHERE id IN (SELECT parent FROM image WHERE parent IS NOT NULL) AND id NOT IN (SELECT image FROM reference)),
    own AS (SELECT chain FROM image_layer GROUP BY chain HAVING count(*) - sum(image IN steps) < 2)
  SELECT id, image.size - coalesce((SELECT sum(layer.size) FROM image_layer JOIN own USING (chain) JOIN layer ON chain_id = chain WHERE image_layer.image = id), 0) AS shared FROM image`;
/** What somebody sees who knows nothing yet, and counts what they share. */
function afresh(): ImageSummary[] {
  const other = Ledger.open(root.ledger);
  try {
    const shares = new Map(other.sql<[], { id: ImageId; shared: number }>(SHARES).all().map(({ id, shared }) => [id, shared]));
    return new LedgerImages(other, new LedgerLeases(other, clock), clock).list().map((image) => ({ ...image, sharedSize: shares.get(image.id)! }));
  } finally { other.close(); }
}

test("what is kept and what is read again make the same list, whatever changed", () => {
  let seed = 3;
  const random = (n: number): number => { seed = (seed * 1103515245 + 12345) % 2 ** 31; return (seed >> 8) % n; };
  const ids: ImageId[] = [];
  const any = (): ImageId => ids[random(ids.length)]!;
  for (let i = 0; i < 8; i++) ids.push(image("base", `own ${i}`));
  expect(images.list()).toEqual(afresh());
  const acts: readonly (() => void)[] = [
    () => ids.push(image("base", `middle ${random(3)}`, `own ${made}`)), () => ids.push(child(any(), `step ${made}`)), () => images.tag(any(), `app:${random(20)}`), () => images.untag(`app:${random(20)}`), () => images.touch(any()),
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
        if (random(2) === 0) images.list();
        if (undone) throw new Error("undone");
      });
    } catch (e) {
      if (!undone) throw e;
      ids.splice(0, ids.length, ...before);
    }
    if (random(3) > 0) expect(images.list()).toEqual(afresh());
  }
});

test("many changes at once", () => {
  for (let i = 0; i < 20; i++) image("base", `own ${i}`);
  images.list();
  ledger.transaction(() => { for (let i = 0; i < 700; i++) image("base", `more ${i}`); });
  expect(images.list()).toEqual(afresh());
});

test("images that did not change are the same objects as before, also when something was undone", () => {
  const [a, b] = [image("base", "a"), image("base", "b")], find = (id: ImageId): ImageSummary => images.list().find((i) => i.id === id)!;
  const [first, second] = [find(a), find(b)];
  images.touch(a);
  expect(() => ledger.transaction(() => { images.tag(b, "undone"); throw new Error("undone"); })).toThrow("undone");
  expect(find(a)).not.toBe(first);
  expect(find(b)).toBe(second);
  expect(() => ledger.transaction(() => { images.tag(b, "seen"); images.list(); throw new Error("undone"); })).toThrow("undone");
  expect(find(b)).toEqual(second);
});

test("what layers images share follows whatever they and their names become", () => {
  const parent = image("base", "steps"), other = image("base", "other");
  const grown = child(parent, "more");
  const shared = (id: ImageId): number | undefined => images.list().find((i) => i.id === id)?.sharedSize;
  // Layers of a step that nobody named are its child's alone; named, it shares them.
  expect([shared(parent), shared(grown), shared(other)]).toEqual([10, 10, 10]);
  images.tag(parent, "steps");
  expect([shared(parent), shared(grown)]).toEqual([20, 20]);
  images.tag(grown, "steps");
  expect([shared(parent), shared(grown)]).toEqual([10, 10]);
  // That it has a child may be known later than both.
  const early = image("base", "early"), config = imageConfig(layerRows(ledger, ["base", "early", "late"])), late = images.create(config, new LedgerLeases(ledger, clock).open("test"));
  expect([shared(early), shared(late)]).toEqual([20, 20]);
  images.create(config, new LedgerLeases(ledger, clock).open("test"), { parent: early });
  expect([shared(early), shared(late)]).toEqual([10, 10]);
  images.remove(grown);
  images.remove(late);
  images.remove(other);
  expect([shared(parent), shared(early)]).toEqual([10, 10]);
  images.remove(early);
  expect(shared(parent)).toBe(0);
  expect(images.list()).toEqual(afresh());
});

test("the first reading lets others in, and what they change is in the list", async () => {
  const ids = Array.from({ length: 1200 }, (_, i) => image("base", `own ${i}`));
  const preparing = images.prepareList();
  images.remove(ids[3]!);
  images.tag(ids[1100]!, "named");
  image("base", "new");
  await preparing;
  expect(images.list()).toEqual(afresh());
  await images.prepareList();
  expect(images.list()).toEqual(afresh());
});

test("whoever cannot wait for the first reading reads by himself", async () => {
  const ids = Array.from({ length: 1200 }, (_, i) => image("base", `own ${i}`));
  const preparing = images.prepareList();
  expect(images.list()).toHaveLength(1200);
  images.remove(ids[3]!);
  images.remove(ids[900]!);
  await preparing;
  expect(images.list()).toEqual(afresh());
});
