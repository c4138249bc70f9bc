import { closeSync } from "node:fs";
import { Socket } from "node:net";
import { openPipe, posixSpawn, reap, type SpawnRequest } from "./posix-spawn.js";

/** Between looks at a child that is about to end, in milliseconds: first, then doubled, up to the most. */
const SOON = 1, MOST = 50;

export type Stdio = "pipe" | "null" | number;

export interface ChildOptions {
  readonly env?: NodeJS.ProcessEnv;
  readonly cwd?: string;
  readonly newSession?: boolean;
  /** Descriptors 0, 1, 2 and further: `pipe` is a stream here, `null` is /dev/null, a number is a descriptor of ours, which stays open. */
  readonly stdio: readonly Stdio[];
}

/** A program that was started, with streams to its pipes. */
export class Child {
  /** By descriptor: writable for 0, readable for others; undefined where no pipe was asked for. */
  readonly pipes: readonly (Socket | undefined)[];
  /** Rejects when the program could not be started. */
  readonly pid: Promise<number>;
  #ended: Promise<number> | null = null;
  #gone = false;

  constructor(program: string, args: readonly string[], options: ChildOptions) {
    const theirs: number[] = [];
    const pipes: (Socket | undefined)[] = [];
    const fds = options.stdio.map((what, n): number | null => {
      if (what !== "pipe") {
        pipes.push(undefined);
        return what === "null" ? null : what;
      }
      const { read, write } = openPipe();
      const [own, other] = n === 0 ? [write, read] : [read, write];
      pipes.push(new Socket({ fd: own, readable: n !== 0, writable: n === 0 }));
      theirs.push(other);
      return other;
    });
    this.pipes = pipes;
    const request: SpawnRequest = { args, env: options.env ?? process.env, fds, ...(options.cwd === undefined ? {} : { cwd: options.cwd }), newSession: options.newSession ?? false };
    this.pid = posixSpawn(program, request).finally(() => { for (const fd of theirs) closeSync(fd); });
    this.pid.catch(() => { for (const pipe of pipes) pipe?.destroy(); });
  }

  /** Nothing happens when it has ended. Its number is its own until `ended` has resolved. */
  kill(signal: NodeJS.Signals): void {
    this.pid.then((pid) => { if (!this.#gone) process.kill(pid, signal); }).catch(() => undefined);
  }

  /** Exit code, or 128 and a signal's number. To be asked for when the end is near: its pipes have closed, or it was killed. */
  ended(): Promise<number> {
    return (this.#ended ??= this.pid.then((pid) => new Promise<number>((resolve, reject) => {
      const look = (wait: number): void => {
        try {
          const code = reap(pid);
          if (code === undefined) setTimeout(() => look(Math.min(wait * 2, MOST)), wait);
          else {
            this.#gone = true;
            resolve(code);
          }
        } catch (e) {
          reject(e as Error);
        }
      };
      look(SOON);
    })));
  }
}
