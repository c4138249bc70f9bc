/** Lines of a stage. */
export interface StageOutput {
  /** False when who listens is slow: it is kind to wait for `drained` before more is written. */
  write(text: string): boolean;
  drained(): Promise<void>;
  /** The stage is over. */
  end(): void;
}

/** Where all lines go. */
export interface OutputSink {
  write(text: string): boolean;
  drained(): Promise<void>;
}

/** Characters that a stage may say before its turn comes; commands that say more wait for it. */
const HELD = 1 << 20;

/**
 * Stages work at once; what they say comes one stage after the other, the first of them that is not over as it happens. No stage
 * waits for a later one, so a command that waits for its turn gets it.
 */
export class OrderedOutput {
  private readonly stages: readonly { held: string[]; size: number; over: boolean; turn: Promise<void>; begin(): void }[];
  private front = 0;

  constructor(stages: number, private readonly sink: OutputSink) {
    this.stages = Array.from({ length: stages }, () => {
      let begin!: () => void;
      const turn = new Promise<void>((resolve) => { begin = resolve; });
      return { held: [], size: 0, over: false, turn, begin };
    });
    this.stages[0]?.begin();
  }

  stage(at: number): StageOutput {
    const own = this.stages[at]!;
    return {
      write: (text) => {
        if (at === this.front) return this.sink.write(text);
        own.held.push(text);
        own.size += text.length;
        return own.size < HELD;
      },
      drained: () => own.turn.then(() => this.sink.drained()),
      end: () => {
        own.over = true;
        while (this.front < this.stages.length && this.stages[this.front]!.over) this.next();
      },
    };
  }

  private next(): void {
    const stage = this.stages[++this.front];
    if (stage === undefined) return;
    for (const text of stage.held.splice(0)) this.sink.write(text);
    stage.begin();
  }
}
