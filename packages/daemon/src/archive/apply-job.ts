import type { Consumer } from "./workers/protocol.js";
import { TreeApplier } from "./apply.js";
import { KeptFiles } from "./kept-files.js";
import { SplitWriter } from "./split-writer.js";
import { TarParser } from "./tar-parser.js";
import type { Whiteouts } from "./whiteouts.js";

export interface ApplyArguments {
  /** Absolute path of the directory to fill. */
  readonly root: string;
  readonly whiteouts: Whiteouts;
  /** Where the split file goes; its folder also holds what is kept while the job runs. */
  readonly split: string;
}

/** Unpacks a tar and writes its split file. What a failed job leaves behind is the caller's to remove. */
export class ApplyJob implements Consumer<{ size: number }> {
  private readonly split: SplitWriter;
  private readonly kept: KeptFiles;
  private readonly applier: TreeApplier;
  private readonly parser: TarParser;

  constructor(private readonly args: ApplyArguments) {
    this.split = new SplitWriter(args.split);
    this.kept = new KeptFiles(`${args.split}.kept`);
    try { this.applier = new TreeApplier({ root: args.root, whiteouts: args.whiteouts, split: this.split, kept: this.kept }); }
    catch (error) { this.split.abort(); throw error; }
    this.parser = new TarParser(this.applier);
  }

  write(chunk: Buffer): void { this.parser.write(chunk); }
  /** `size`: all regular files together, as a reader sees them. */
  end(): { size: number } {
    this.parser.close();
    this.applier.finish();
    this.split.close();
    this.kept.settle(this.args.split);
    return { size: this.applier.size };
  }
  abort(): void {
    this.applier.abort();
    this.split.abort();
  }
}
