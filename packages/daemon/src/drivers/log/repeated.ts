import type { Moment, Output } from "../../core/index.js";

/**
 * What a log does not have yet of a batch. `logged` is how the log ends, `taken` what came before the batch: records of
 * one moment stay together and in order, so counting them tells.
 */
export function withoutRepeated(batch: readonly Output[], logged: Moment, taken: Moment | undefined): readonly Output[] {
  const repeated = logged.count - (taken?.time === logged.time ? taken.count : 0);
  const first = batch.findIndex((record) => record.time === logged.time);
  if (first < 0 || repeated <= 0) return batch;
  let next = first;
  while (next < first + repeated && batch[next]?.time === logged.time) next++;
  return batch.slice(next);
}
