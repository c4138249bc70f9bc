import { assignProject } from "../../kernel/project-quota.js";
import { removePath } from "../../kernel/remove-tree.js";
import { measureEntries, measureTree } from "../../kernel/usage.js";
import { auditTree } from "../audit-tree.js";
import { changesSize, changesTar, listChangesAsText } from "../changes.js";
import { copyTree, copyTreeFromRoot } from "../copy-tree.js";
import { reassemble } from "../reassemble.js";
import { referring } from "../referring.js";
import { ContextIndexJob } from "../context/index-job.js";
import { contextLayer } from "../context/layer-job.js";
import { contextMember, contextStat } from "../context/member-job.js";
import { treePlace } from "../context/place-job.js";
import { contextFind } from "../context/select.js";
import { extractTar } from "../extract-tar.js";
import { treeTar } from "../tree-tar.js";
import { viewStat, viewTar, ViewWriter } from "../view-jobs.js";
import { ApplyJob } from "../apply-job.js";
import { IngestJob } from "../ingest-job.js";
import { ApplyErofsJob, checkIndex, makeIndex } from "../erofs/index-job.js";
import type { Consumer, Steps } from "./protocol.js";

/** Every kind of work a thread does. Arguments and results are plain data. */
export const consumers = {
  apply: (args: ConstructorParameters<typeof ApplyJob>[0]) => new ApplyJob(args),
  /** A download. */
  ingest: (args: ConstructorParameters<typeof IngestJob>[0]) => new IngestJob(args),
  /** Files for a container. */
  viewWrite: (args: ConstructorParameters<typeof ViewWriter>[0]) => new ViewWriter(args),
  /** A build context. */
  contextIndex: (args: ConstructorParameters<typeof ContextIndexJob>[0]) => new ContextIndexJob(args),
  /** A layer as its tar and an EROFS index. */
  applyErofs: (args: ConstructorParameters<typeof ApplyErofsJob>[0]) => new ApplyErofsJob(args),
} satisfies Record<string, (args: never) => Consumer<unknown, never>>;

export const steps = {
  /** Removes a tree. Absent is success. */
  remove: ({ path }: { readonly path: string }) => removePath(path),
  /** Bytes on disk, inodes, and the sum of the files' lengths; without what another tree has as well. */
  usage: ({ path, besides }: { readonly path: string; readonly besides?: string }) => measureTree(path, besides),
  /** The same of what lies in a directory, entry by entry. */
  usageOfEntries: ({ path }: { readonly path: string }) => measureEntries(path),
  /** The tar that a layer was made of. */
  reassemble,
  /** The EROFS index of a tar that is there. */
  makeIndex,
  checkIndex,
  /** What is not as a layer's tar says. */
  auditTree,
  /** Unpacks a tar that is there. */
  extractTar,
  copyTree,
  copyTreeFromRoot,
  /** A tree as a tar. */
  treeTar,
  /** Files of a container. */
  viewStat,
  viewTar,
  /** What a tree changed against others; how much of it there is; the same as a layer tar. */
  changes: listChangesAsText,
  changesSize,
  changesTar,
  referring,
  assignProject,
  /** What is copied of a build context, and that as a layer tar; one of its files. */
  contextFind,
  contextLayer,
  contextStat,
  contextMember,
  /** Where a path leads. */
  treePlace,
} satisfies Record<string, (args: never) => Steps<unknown>>;

/** The promise of what the end of a consumer needs; nothing where it needs nothing. */
export type LastOf<K extends ConsumerKind> = ReturnType<(typeof consumers)[K]> extends Consumer<unknown, infer L> ? (undefined extends L ? [] : [last: Promise<L>]) : never;
export type ConsumerKind = keyof typeof consumers;
export type StepsKind = keyof typeof steps;
type Job<K> = K extends ConsumerKind ? (typeof consumers)[K] : K extends StepsKind ? (typeof steps)[K] : never;
export type Arguments<K> = Job<K> extends (args: infer A) => unknown ? A : never;
export type Result<K> = ReturnType<Job<K>> extends Consumer<infer R, never> ? R : ReturnType<Job<K>> extends Steps<infer R> ? R : never;
