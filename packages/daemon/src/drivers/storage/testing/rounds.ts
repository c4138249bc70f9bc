/** How often a test does the same again: `n` times, and fewer in an emulated machine (test/vm), where everything takes its time. */
export function rounds(n: number): number { return process.env["STRATA_TEST_EMULATED"] === undefined ? n : Math.ceil(n / 12); }
