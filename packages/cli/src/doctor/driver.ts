import type { BuildCache } from "./buildkit.js";
import type { Container } from "./containers.js";
import { directoryNames, directoryOf, type DriverLayout, missingLinks, readLinks } from "./directories.js";
import type { RootReader } from "./files.js";
import { type Image, readImages, readTags } from "./images.js";
import { type Layer, type LayerDb, lineage, readLayerDb, type Writable } from "./layers.js";
import type { Sizes } from "./measure.js";
import type { Certainty, Finding, FindingKind } from "./report.js";
import type { Use } from "./use.js";

export interface Around {
  readonly reader: RootReader;
  readonly sizes: Sizes;
  readonly use: Use;
  readonly buildCache: BuildCache;
  readonly containers: readonly Container[];
}

/** Who needs a layer. */
export interface Holders {
  readonly images: Set<string>;
  readonly containers: Set<string>;
  buildCache: boolean;
}

/** Clocks of processes and of file systems differ a little. */
const MARGIN = 10_000;
/** What Docker and BuildKit call directories of layers. */
const LAYER_NAME = /^(?:[0-9a-f]{64}(?:-init)?|[0-9a-z]{25})$/;

/** Puts the records of one storage driver against its directories. */
export class DriverExamination {
  readonly findings: Finding[] = [];
  readonly images: readonly Image[];
  readonly db: LayerDb;
  readonly #holders = new Map<string, Holders>();
  readonly #tags: ReadonlyMap<string, string>;
  /** Directories that something needs, and those that have a record at all. */
  readonly #needed = new Set<string>();
  readonly #recorded = new Set<string>();
  readonly #links = new Map<string, string[]>();
  readonly #containers: ReadonlySet<string>;

  constructor(readonly driver: string, readonly layout: DriverLayout | undefined, private readonly around: Around) {
    const { reader } = around;
    this.#containers = new Set(around.containers.map(({ id }) => id));
    this.#tags = readTags(reader, driver);
    this.images = readImages(reader, driver, this.#tags);
    this.db = readLayerDb(reader, driver);
    for (const { path, directory } of layout === undefined ? [] : readLinks(reader, layout)) this.#links.set(directory, [...(this.#links.get(directory) ?? []), path]);
    this.#hold();
    this.#note();
    this.#checkWritables();
    this.#checkLayers();
    if (layout !== undefined) this.#checkDirectories(layout);
    this.#checkReferences();
  }

  holders(chain: string): Holders | undefined { return this.#holders.get(chain); }
  /** Writable layers whose containers are there. */
  *writables(): Generator<Writable> {
    for (const writable of this.db.writables.values()) if (this.#isContainer(writable.owner)) yield writable;
  }
  bytesOf(id: string): number { return this.layout === undefined || id === "" ? 0 : this.around.sizes.bytes(directoryOf(this.layout, id)); }

  /** From images, containers and the build cache down to the last layer. */
  #hold(): void {
    const hold = (chain: string | null, by: (holders: Holders) => unknown): void => {
      for (const layer of lineage(this.db.layers, chain)) by(this.#holdersOf(layer.chain)!);
    };
    // Each layer by itself: one that is missing must not hide those below it.
    for (const { id, chains } of this.images) for (const chain of chains) this.#holdersOf(chain)?.images.add(id);
    for (const { parent, owner } of this.writables()) hold(parent, ({ containers }) => containers.add(owner));
    for (const { chain, cacheId } of this.db.layers.values()) if (this.around.buildCache.keeps(chain) || this.around.buildCache.owns(cacheId)) hold(chain, (holders) => { holders.buildCache = true; });
  }

  /** Of layers that have a record. */
  #holdersOf(chain: string): Holders | undefined {
    if (!this.db.layers.has(chain)) return undefined;
    const holders = this.#holders.get(chain) ?? { images: new Set(), containers: new Set(), buildCache: false };
    this.#holders.set(chain, holders);
    return holders;
  }

  #note(): void {
    for (const { chain, cacheId } of this.db.layers.values()) {
      this.#recorded.add(cacheId);
      if (this.#holders.has(chain)) this.#needed.add(cacheId);
    }
    for (const { cacheId } of [...this.db.removing, ...this.db.unfinished]) this.#recorded.add(cacheId);
    for (const { owner, mountId, initId } of this.db.writables.values()) {
      for (const id of [mountId, initId, `${mountId}-init`]) {
        this.#recorded.add(id);
        if (this.#isContainer(owner)) this.#needed.add(id);
      }
    }
  }

  #checkWritables(): void {
    for (const { owner, path, mountId, initId } of this.db.writables.values()) {
      if (this.#isContainer(owner)) {
        this.#expectDirectory(mountId, path, `the writable layer of container ${owner}`);
        continue;
      }
      this.#find("orphan-writable", path, "a writable layer of a container that is not there", this.#certainty(path), [path, ...this.#with(mountId), ...this.#with(initId === "" ? `${mountId}-init` : initId)]);
    }
  }

  #checkLayers(): void {
    const depth = (chain: string): number => [...lineage(this.db.layers, chain)].length;
    // The topmost first: whoever removes them in this order never leaves a layer without its parent.
    const free = [...this.db.layers.values()].filter(({ chain }) => !this.#holders.has(chain)).sort((a, b) => depth(b.chain) - depth(a.chain));
    // What a pull is making now has parents that may be older.
    const young = new Set(free.filter(({ path }) => this.#isYoung(path)).flatMap(({ chain }) => [...lineage(this.db.layers, chain)].map((layer) => layer.chain)));
    const unsure = this.images.some(({ damage }) => damage !== undefined);
    for (const layer of free) {
      const lost = this.#exists(layer.cacheId) ? "" : "; its directory is missing";
      const certainty = young.has(layer.chain) ? "maybe-in-progress" : unsure ? "unsure" : "certain";
      this.#find("orphan-layer", layer.path, `a layer that no image, container or build needs${lost}${unsure ? "; an image that cannot be read may need it" : ""}`, certainty, [layer.path, ...this.#with(layer.cacheId)]);
    }
    for (const layer of this.db.layers.values()) if (this.#holders.has(layer.chain)) this.#checkHeld(layer);
    for (const { path, cacheId } of this.db.removing) this.#find("unfinished-removal", path, "a layer whose removal was cut off", this.#certainty(path), [path, ...this.#with(cacheId)]);
    for (const { path, cacheId } of this.db.unfinished) this.#find("unfinished-layer", path, "a layer that was never finished", this.#certainty(path), [path, ...this.#with(cacheId)]);
  }

  #checkHeld({ chain, path, cacheId, damage }: Layer): void {
    if (damage !== undefined) this.#find("damaged-layer", path, damage);
    this.#expectDirectory(cacheId, path, `layer ${chain}, which ${this.#users(chain)} need${this.#holders.get(chain)!.images.size === 1 ? "s" : ""}`);
  }

  #checkDirectories(layout: DriverLayout): void {
    const { reader, buildCache } = this.around;
    const links = new Set([...this.#links.values()].flat());
    for (const name of directoryNames(reader, layout.folders[0]!, layout)) {
      const path = directoryOf(layout, name);
      if (this.#needed.has(name) || buildCache.owns(name)) {
        for (const link of missingLinks(reader, layout, path, links)) this.#find("missing-link", path, `it needs ${link}, which is not there`);
      } else if (!this.#recorded.has(name)) {
        const known = LAYER_NAME.test(name);
        this.#find("orphan-directory", path, known ? "no layer, container or build has it" : "not a name that Docker gives to layers", known || this.#isYoung(path) ? this.#certainty(path) : "unsure", this.#with(name));
      }
    }
    for (const [directory, paths] of this.#links) {
      if (!this.#exists(directory)) for (const path of paths) this.#find("dangling-link", path, `it names ${directory}, which is not there`, this.#certainty(path), [path]);
    }
  }

  #checkReferences(): void {
    const known = new Set(this.images.map(({ id }) => id));
    for (const { path, id, chains, damage, tags } of this.images) {
      if (damage !== undefined) this.#find("damaged-image", path, damage);
      const missing = chains.filter((chain) => !this.db.layers.has(chain));
      if (missing.length > 0) this.#find("missing-layer", path, `image ${tags[0] ?? id} lacks ${missing.length} of its ${chains.length} layers`);
    }
    for (const [name, id] of this.#tags) if (!known.has(id)) this.#find("missing-image", `image/${this.driver}/repositories.json`, `${name} stands for ${id}, which is not there`);
    for (const { id, driver, name, readable } of this.around.containers) {
      if (readable && driver === this.driver && !this.db.writables.has(id)) this.#find("missing-writable", `containers/${id}`, `container ${name} has no writable layer`, this.#certainty(`containers/${id}`));
    }
  }

  #users(chain: string): string {
    const { images, containers } = this.#holders.get(chain)!;
    if (images.size === 0) return containers.size > 0 ? `${containers.size} containers` : "builds";
    const first = this.images.find(({ id }) => images.has(id))!;
    return images.size === 1 ? `image ${first.tags[0] ?? first.id}` : `${images.size} images (${first.tags[0] ?? first.id} …)`;
  }

  #expectDirectory(id: string, path: string, whose: string): void {
    if (id !== "" && !this.#exists(id)) this.#find("missing-directory", path, `${id} is not there: ${whose}`, this.#certainty(path));
  }

  /** What goes with a record: its directory and the directory's links, unless something else needs them. */
  #with(id: string): string[] {
    if (this.layout === undefined || id === "" || this.#needed.has(id) || this.around.buildCache.owns(id)) return [];
    const directory = directoryOf(this.layout, id);
    return [...(this.#exists(id) ? [directory, ...(this.#links.get(id) ?? [])] : [])];
  }

  #find(kind: FindingKind, path: string, why: string, certainty: Certainty = "certain", remove: readonly string[] = []): void {
    this.findings.push({ kind, path, why, certainty, bytes: remove.reduce((sum, one) => sum + this.around.sizes.bytes(one), 0), remove });
  }

  #exists(id: string): boolean { return this.layout === undefined || this.around.sizes.has(directoryOf(this.layout, id)); }
  #isContainer(owner: string): boolean { return this.#containers.has(owner); }
  #isYoung(path: string): boolean {
    const { use, sizes } = this.around;
    return use.running && (use.since === undefined || sizes.born(path) >= use.since - MARGIN);
  }
  #certainty(path: string): Certainty { return this.#isYoung(path) ? "maybe-in-progress" : "certain"; }
}
