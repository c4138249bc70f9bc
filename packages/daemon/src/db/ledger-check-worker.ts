/** Entry of the thread that looks at the ledger: one look, one answer. */
import { parentPort, workerData } from "node:worker_threads";
import { examineLedger } from "./ledger-check.js";

const { path, deep } = workerData as { readonly path: string; readonly deep: boolean };
parentPort?.postMessage(examineLedger(path, deep));
