import { sql as first } from "./migrations/0001.js";
import { sql as second } from "./migrations/0002.js";
import { sql as third } from "./migrations/0003.js";
import { sql as fourth } from "./migrations/0004.js";
import { sql as fifth } from "./migrations/0005.js";
import { sql as sixth } from "./migrations/0006.js";
import { sql as seventh } from "./migrations/0007.js";
import { sql as eighth } from "./migrations/0008.js";
import { sql as ninth } from "./migrations/0009.js";
import { sql as tenth } from "./migrations/0010.js";
import { sql as eleventh } from "./migrations/0011.js";

/**
 * The schema. An arrow is a foreign key (or, where the other end may not exist yet, a plain value: ~>).
 *
 *   reference(name) ──→ image(id) ──→ layer(chain_id) ←── snapshot(id)          one directory of a storage driver;
 *        └~> blob         │  └→ image(parent)  │ └→ layer(parent)  ↑             a layer has one on each driver it lies on
 *                         │                    └~> packed_source ~> blob      (former_source: those of layers that are gone)
 *                    image_layer: every (layer, image) pair, so that sharing is one aggregate
 *                    image_manifest(image, digest) ~> blob
 *   damage(snapshot) ──→ snapshot                  a layer's copy that is not what it should be; replaced by the next that registers the layer
 *
 *   container(id) ──→ image
 *        ↑~ writable(owner) ──→ snapshot (the container's own), snapshot (init), layer (parent)
 *        ↑── health(container), container_usage(container)
 *        ↑~ volume_use(volume, owner) ──→ volume(name) ←── plugin_mount(volume, mount), volume_coming(volume)
 *        ↑~ endpoint(network, container) ──→ network(id)
 *        ↑~ port(protocol, host_port, host_ip)
 *
 *   build_record(key) ──→ layer (top)      build_mount(volume) ──→ volume        build_container(name) ~> container
 *
 *   pin(name) ──→ reference         gc_settings, gc_plan(id), gc_run(id) ←── gc_run_item(run, position)
 *   trashed_image(id) ──→ layer (top) ←── trashed_blob(image, digest) ~> blob   taken away by a run, and can be brought back
 *
 *   lease(id) ←── lease_hold(kind, key) ~> anything new            ingest(id): downloads under way, found by `ref`
 *
 * What something takes on disk (`bytes`, `inodes`, `measured_at`, `stale`) is in its own row; place_usage(place) has tmp/, trash/ and downloads.
 * Sums over layers (layer, image, image_share, layer_total) are kept by triggers: see migrations/0007.ts and 0012.ts.
 *
 * The schema is the graph: the views `root(kind, key)` and `edge(from_kind, from_key, to_kind, to_key)` say what is
 * alive and what keeps what alive. A new resource extends both in its migration. `blob`, `layer` and `snapshot` are
 * collected when no root reaches them; everything else is removed by name (`ingest` by age).
 *
 * Writers: `layer` refers forward within one transaction, so its foreign keys are checked at commit.
 */
export const migrations: readonly string[] = [first, second, third, fourth, fifth, sixth, seventh, eighth, ninth, tenth, eleventh];
