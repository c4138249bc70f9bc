/** Why tests of these names cannot pass here, or for nobody. What fails and is not in this list is a fault of ours. */
export const reasons: readonly { readonly tests: RegExp; readonly reason: string }[] = [
];

export const reasonFor = (test: string): string | undefined => reasons.find(({ tests }) => tests.test(test))?.reason;
