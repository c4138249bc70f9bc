/** A function of koffi's: its last argument is called back with what the C function returned. */
interface ForeignFunction { readonly async: (...args: unknown[]) => unknown }

/** Of a thread, at once. koffi refuses the 65th, and more would only wait for the thread pool. */
const AT_ONCE = 32;

let free = AT_ONCE;
const waiting: (() => void)[] = [];

/** Calls a C function on the thread pool, those over the limit in turn; resolves with what it returned. errno stays with the pool's thread. */
export async function callOnPool(called: ForeignFunction, ...args: readonly unknown[]): Promise<number> {
  if (free > 0) free--;
  else await new Promise<void>((resolve) => waiting.push(resolve));
  try {
    return await new Promise<number>((resolve, reject) => {
      called.async(...args, (error: Error | null, result: number) => (error ? reject(error) : resolve(result)));
    });
  } finally {
    const next = waiting.shift();
    if (next === undefined) free++;
    else next();
  }
}
