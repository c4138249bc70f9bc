import { randomUUID } from "node:crypto";
import { rm } from "node:fs/promises";
import { join } from "node:path";
import type { Readable } from "node:stream";
import type { ChainId, ImageConfig, ImageId } from "@strata/oci";
import { type Layer, rfc3339Nano } from "../core/index.js";
import { BuildContext } from "./context.js";
import type { BuildHost, BuildNeeds } from "./needs.js";
import type { StepMaker, StepState } from "./steps.js";

type Built = StepState & { readonly image: ImageId };

/** `--squash`: an image whose layers above its base are one. Its history stays, with a last entry that has the layer. */
export async function squash(needs: BuildNeeds, host: BuildHost, steps: StepMaker, { image, config, top }: Built, base: StepState): Promise<Built> {
  const { diffId, chainId } = await oneLayer(needs, host, steps, top, base);
  const created = rfc3339Nano(steps.now * 1000), below = base.config.history?.length ?? 0;
  const squashed: ImageConfig = {
    ...config, created, rootfs: { type: "layers", diff_ids: [...base.config.rootfs.diff_ids, diffId] },
    history: [
      ...(config.history ?? []).map((entry, i) => (i < below ? entry : { ...entry, empty_layer: true })),
      { created, comment: base.image === null ? `create new from ${image}` : `merge ${image} to ${base.image}` },
    ],
  };
  return { image: needs.images.create(Buffer.from(JSON.stringify(squashed)), steps.lease), config: squashed, top: chainId, keys: [] };
}

/** What differs between two trees. A file that a layer has counts as changed, also where size and time are what they were. */
async function oneLayer(needs: BuildNeeds, host: BuildHost, steps: StepMaker, top: ChainId | null, base: StepState): Promise<Layer> {
  const indexes: string[] = [];
  try {
    for (const chainId of chainsAbove(needs, top, base.top)) {
      const directory = join(needs.temporary, `squash-${randomUUID()}`);
      indexes.push(directory);
      await needs.workers.consume("contextIndex", { directory, prefix: "", top: "", namesOnly: true }, await needs.layers.tar(chainId));
    }
    return await host.tree(base.top, steps.lease, (lower) => host.tree(top, steps.lease, (root) =>
      withTimes(needs, steps, needs.workers.produce("changesTar", { root, kind: "plain", lowers: [lower], touched: indexes }), (tar) => needs.layers.register(tar, base.top, steps.lease))));
  } finally {
    for (const directory of indexes) await rm(directory, { recursive: true, force: true });
  }
}

function chainsAbove({ layers }: BuildNeeds, top: ChainId | null, base: ChainId | null): ChainId[] {
  const chains: ChainId[] = [];
  for (let at = top; at !== null && at !== base; at = layers.get(at).parent) chains.push(at);
  return chains;
}

/** Under SOURCE_DATE_EPOCH nothing is newer. */
async function withTimes<T>({ temporary, workers }: BuildNeeds, { epoch }: StepMaker, tar: Readable, work: (tar: Readable) => Promise<T>): Promise<T> {
  if (epoch === undefined) return work(tar);
  const context = await BuildContext.read(tar, join(temporary, `squash-${randomUUID()}`), workers, { limit: Infinity });
  try {
    return await work(context.layer({ sources: ["."], exclude: [], parents: false, owners: true }, { place: { path: "", into: true, missing: [] }, now: epoch, newest: epoch }));
  } finally { await context.remove(); }
}
