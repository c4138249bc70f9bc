import { NotFound } from "../../core/errors.js";
import { toByteString } from "../../kernel/byte-path.js";
import { withFdSteps } from "../../kernel/directory.js";
import { AT_FDCWD, O_RDONLY, openat } from "../../kernel/libc.js";
import { Output } from "../output.js";
import type { Steps } from "../workers/protocol.js";
import { dataFile, type ContextEntry } from "./entry.js";
import { ContextIndex } from "./index.js";
import { DataWindow } from "./window.js";

export interface MemberArguments {
  /** The context's folder. */
  readonly directory: string;
  readonly path: string;
}

function find({ directory, path }: MemberArguments): ContextEntry | null {
  try { return new ContextIndex(directory).resolve(toByteString(path)); }
  catch (error) {
    if (error instanceof NotFound) return null;
    throw error;
  }
}

/** What a path of a context leads to; null when there is nothing. */
// eslint-disable-next-line require-yield -- a job of one step
export function* contextStat(args: MemberArguments): Steps<ContextEntry | null> { return find(args); }

/** The content of a file of a context; nothing where there is none. */
export function* contextMember(args: MemberArguments): Steps<void> {
  const entry = find(args);
  if (entry === null || entry.length === 0) return;
  const output = new Output();
  yield* withFdSteps(openat(AT_FDCWD, dataFile(args.directory), O_RDONLY), (fd) => new DataWindow(fd).copy(entry, output));
  yield* output.flush();
}
