import { sql as first } from "./migrations/0001.js";
import { sql as second } from "./migrations/0002.js";
import { sql as third } from "./migrations/0003.js";
import { sql as fourth } from "./migrations/0004.js";
import { sql as checks } from "./migrations/0005.js";

/**
 * The schema. An arrow is a foreign key (or, where the other end may not exist yet, a plain value: ~>).
 *
 *   reference(name) ──→ image(id) ──→ layer(chain_id) ←── snapshot(id)          one directory of a storage driver;
 *        └~> blob         │  └→ image(parent)  │ └→ layer(parent)  ↑             a layer has one on each driver it lies on
 *                         │                    └~> packed_source ~> blob
 *                    image_layer: every (layer, image) pair, so that sharing is one aggregate
 *                    image_manifest(image, digest) ~> blob
 *   damage(snapshot) ──→ snapshot                  a layer's copy that is not what it should be; replaced by the next that registers the layer
 *
 *   container(id) ──→ image
 *        ↑~ writable(owner) ──→ snapshot (the container's own), snapshot (init), layer (parent)
 *        ↑── health(container)
 *        ↑~ volume_use(volume, owner) ──→ volume(name) ←── plugin_mount(volume, mount), volume_coming(volume)
 *        ↑~ endpoint(network, container) ──→ network(id)
 *        ↑~ port(protocol, host_port, host_ip)
 *
 *   build_record(key) ──→ layer (top)                                          build_container(name) ~> container
 *
 *   check_run(id): what checks found
 *
 *   lease(id) ←── lease_hold(kind, key) ~> anything new            ingest(id): downloads under way, found by `ref`
 *
 * The schema is the graph: the views `root(kind, key)` and `edge(from_kind, from_key, to_kind, to_key)` say what is
 * alive and what keeps what alive. A new resource extends both in its migration. `blob`, `layer` and `snapshot` are
 * collected when no root reaches them; everything else is removed by name (`ingest` by age).
 *
 * Writers: `layer` refers forward within one transaction, so its foreign keys are checked at commit.
 */
export const migrations: readonly string[] = [first, second, third, fourth, checks];
