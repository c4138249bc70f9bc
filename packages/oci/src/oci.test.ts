import { chainIdsOf, digestOf, familiarName, formatReference, parsePlatform, parseReference, platformScore, withDefaultTag } from "./index.js";
import type { DiffId } from "./index.js";

describe("references", () => {
  test.each([
    ["busybox", "docker.io/library/busybox:latest", "busybox:latest"],
    ["user/app:1", "docker.io/user/app:1", "user/app:1"],
    ["localhost/app", "localhost/app:latest", "localhost/app:latest"],
    ["127.0.0.1:5000/bench/w1", "127.0.0.1:5000/bench/w1:latest", "127.0.0.1:5000/bench/w1:latest"],
    ["index.docker.io/library/a", "docker.io/library/a:latest", "a:latest"],
    [`a@${digestOf("x")}`, `docker.io/library/a@${digestOf("x")}`, `a@${digestOf("x")}`],
  ])("%s", (text, full, familiar) => {
    const ref = withDefaultTag(parseReference(text));
    expect(formatReference(ref)).toBe(full);
    expect(familiarName(ref)).toBe(familiar);
  });
  test.each(["", "UPPER", "a b", "a:", "-a", "a@sha256:1", "a".repeat(64).replace(/a/g, "0"), "a//b", "a:" + "x".repeat(129)])("refuses %p", (text) => {
    expect(() => parseReference(text)).toThrow(/invalid reference format/);
  });
});

test("chain IDs follow the specification", () => {
  const [a, b] = [digestOf<DiffId>("a"), digestOf<DiffId>("b")];
  expect(chainIdsOf([a, b])).toEqual([a, digestOf(`${a} ${b}`)]);
});

test("platforms: variants order, foreign ones are refused", () => {
  const host = parsePlatform("linux/arm/v7")!;
  expect(platformScore(host, { os: "linux", architecture: "arm", variant: "v6" })).toBeGreaterThan(0);
  expect(platformScore(parsePlatform("linux/arm/v6")!, { os: "linux", architecture: "arm", variant: "v7" })).toBe(-1);
  expect(platformScore(host, { os: "linux", architecture: "amd64" })).toBe(-1);
  expect(platformScore(parsePlatform("linux/arm64")!, { os: "linux", architecture: "arm64", variant: "v8" })).toBe(100);
});
