import { digestOf } from "@strata/oci";
import type { PackedSource } from "../core/index.js";
import { Ledger } from "../db/ledger.js";
import { LedgerImages } from "./images.js";
import { LedgerLeases } from "./leases.js";
import { TestClock, layerRows, temporaryRoot } from "./testing/fixtures.js";

let ledger: Ledger, images: LedgerImages, remove: () => void;
beforeEach(() => {
  const made = temporaryRoot(), clock = new TestClock();
  remove = made.remove;
  ledger = Ledger.open(made.root.ledger);
  images = new LedgerImages(ledger, new LedgerLeases(ledger, clock), clock);
});
afterEach(async () => {
  await ledger.end();
  remove();
});

test("where packed layers are goes with them", () => {
  const [diff] = layerRows(ledger, ["a"]);
  const source = { digest: digestOf("packed"), size: 5, mediaType: "t", repository: "docker.io/library/a" };
  images.addSource(diff!, source);
  images.addSource(diff!, source);
  expect(images.sources(diff!)).toEqual([source]);
  expect(ledger.sql("SELECT * FROM edge WHERE to_kind = 'blob'").all()).toHaveLength(1);
  ledger.sql("DELETE FROM layer").run();
  expect(ledger.sql("SELECT * FROM packed_source").all()).toEqual([]);
});

test("and is remembered when they are gone: that holds nothing, and what is known of the layer comes first", () => {
  const [diff] = layerRows(ledger, ["a"]);
  const at = (name: string): PackedSource => ({ digest: digestOf(name), size: name.length, mediaType: "t", repository: `docker.io/library/${name}` });
  images.addSource(diff!, at("older"));
  ledger.sql("DELETE FROM layer").run();
  expect(images.sources(diff!)).toEqual([at("older")]);
  expect(images.sources(digestOf("another"))).toEqual([]);
  layerRows(ledger, ["a"]);
  expect(images.sources(diff!)).toEqual([at("older")]);
  expect(ledger.sql("SELECT * FROM edge WHERE to_kind = 'blob'").all()).toEqual([]);
  images.addSource(diff!, at("newer"));
  expect(images.sources(diff!)).toEqual([at("newer"), at("older")]);
  images.addSource(diff!, at("older"));
  expect(images.sources(diff!)).toHaveLength(2);
  ledger.sql("DELETE FROM layer").run();
  expect(images.sources(diff!)).toHaveLength(2);
  expect(ledger.sql("SELECT * FROM former_source").all()).toHaveLength(2);
});

test("of so many layers that are gone; the oldest goes first", () => {
  ledger.sql(`WITH RECURSIVE n (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < 51998)
    INSERT INTO former_source (diff_id, digest, repository, size, media_type) SELECT 'diff' || n, 'digest', 'docker.io/library/a', 1, 't' FROM n`).run();
  const count = (): number => ledger.sql<[], { n: number }>("SELECT count(*) AS n FROM former_source").get()!.n;
  expect(count()).toBe(50_998);
  const [diff] = layerRows(ledger, ["a"]);
  for (const name of ["a", "b"]) images.addSource(diff!, { digest: digestOf(name), size: 1, mediaType: "t", repository: "docker.io/library/a" });
  ledger.sql("DELETE FROM layer").run();
  expect([count(), images.sources(diff!).length, images.sources("diff2000").length, images.sources("diff2001").length]).toEqual([50_000, 2, 0, 1]);
});
