import type { Collectable, GraphNode, NodeKind } from "../core/index.js";
import type { Ledger } from "../db/ledger.js";
import { type DeadNode, isReferredTo, isRoot, targetsOf, usageOf } from "./graph.js";

/** How long one transaction goes on forgetting: what else the daemon has to do waits for it. */
const STEP_MS = 8;

/**
 * Forgets those of a list of nodes that nothing holds, and what nothing holds when they are gone. Each is looked at in the transaction
 * that forgets it, so it does not matter how old the list is: what has come to be referred to since then stays. Referrers go before
 * what they refer to, in whatever order they are listed: a node that is still referred to is looked at again when its referrer goes.
 */
export class Forgetting {
  /** What went; a layer stands for its snapshots, too. */
  readonly gone: DeadNode[] = [];
  /** What there is to be swept. */
  readonly kinds = new Set<NodeKind>();
  private readonly left: GraphNode[];

  constructor(private readonly ledger: Ledger, private readonly collectables: readonly Collectable[], nodes: readonly GraphNode[]) {
    this.left = [...nodes];
  }

  get done(): boolean { return this.left.length === 0; }

  /** One transaction, of some milliseconds. What it forgot is not on disk yet. */
  step(): void {
    const end = performance.now() + STEP_MS;
    this.ledger.transaction(() => {
      for (let node = this.left.pop(); node !== undefined; node = this.left.pop()) {
        this.look(node);
        if (performance.now() > end) break;
      }
    }, { durable: false });
  }

  private look(node: GraphNode): void {
    const usage = usageOf(this.ledger, node);
    if (usage === undefined || isRoot(this.ledger, node) || isReferredTo(this.ledger, node)) return;
    const targets = targetsOf(this.ledger, node);
    const snapshots = node.kind === "layer" ? targets.filter(({ kind }) => kind === "snapshot") : [];
    if (snapshots.some((snapshot) => isRoot(this.ledger, snapshot))) return;
    this.forget(node.kind, [node.key]);
    this.forget("snapshot", snapshots.map(({ key }) => key));
    this.gone.push({ ...node, ...usage });
    this.left.push(...targets);
  }

  private forget(kind: NodeKind, keys: readonly string[]): void {
    if (keys.length === 0) return;
    const owner = this.collectables.find((c) => c.kind === kind);
    if (owner === undefined) throw new Error(`nothing collects a ${kind}`);
    owner.forget(keys);
    this.kinds.add(kind);
  }
}
