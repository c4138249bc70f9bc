/** Lines of a stage. */
export interface StageOutput {
  write(text: string): void;
  /** The stage is over. */
  end(): void;
}

/** Stages work at once; what they say comes one stage after the other, the first of them that is not over as it happens. */
export class OrderedOutput {
  private readonly held: string[][];
  private readonly over: boolean[];
  private front = 0;

  constructor(stages: number, private readonly sink: (text: string) => void) {
    this.held = Array.from({ length: stages }, () => []);
    this.over = this.held.map(() => false);
  }

  stage(at: number): StageOutput {
    return {
      write: (text) => {
        if (at === this.front) this.sink(text);
        else this.held[at]!.push(text);
      },
      end: () => {
        this.over[at] = true;
        while (this.front < this.over.length && this.over[this.front]) {
          this.front++;
          for (const text of this.held[this.front] ?? []) this.sink(text);
        }
      },
    };
  }
}
