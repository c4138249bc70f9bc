// node test/dist/vm/build-zfs.js: OpenZFS for the guest's kernel, into the cache.
import { ensureKernel } from "./kernel.js";
import { ensureZfs } from "./zfs.js";

ensureKernel().then(ensureZfs).then((tree) => console.log(tree), (error: unknown) => {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 1;
});
