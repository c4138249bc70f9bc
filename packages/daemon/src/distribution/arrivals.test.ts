import type { ChainId } from "@strata/oci";
import { Arrivals } from "./arrivals.js";

const [a, b] = ["sha256:a", "sha256:b"] as unknown as [ChainId, ChainId];

it("what is written is no longer to come", () => {
  const arrivals = new Arrivals();
  arrivals.join([[a, 100], [b, 10]]);
  expect(arrivals.bytes([a, b])).toBe(330);
  arrivals.note(a, { stage: "downloading", current: 60 });
  expect(arrivals.bytes([a])).toBe(240);
  arrivals.note(a, { stage: "complete" });
  expect(arrivals.bytes([a])).toBe(200);
  arrivals.note(a, { stage: "extracting", current: 50 });
  expect(arrivals.bytes([a])).toBe(100);
  arrivals.failed([a]);
  expect(arrivals.bytes([a])).toBe(200);
  arrivals.note(a, { stage: "done" });
  arrivals.failed([a]);
  expect(arrivals.bytes([a, b])).toBe(30);
});

it("a layer that two pulls wait for is counted once, and for the other when one leaves", () => {
  const arrivals = new Arrivals();
  arrivals.join([[a, 100]]);
  arrivals.join([[a, 100], [b, 10]]);
  expect(arrivals.bytes([a]) + arrivals.bytes([a, b])).toBe(330);
  arrivals.leave([a]);
  expect(arrivals.bytes([a, b])).toBe(330);
  arrivals.leave([a, b]);
  expect(arrivals.bytes([a, b])).toBe(0);
});
