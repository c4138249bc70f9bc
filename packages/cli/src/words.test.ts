import { parseFilters } from "./filters.js";
import { displayPorts } from "./format/ports.js";
import { keyValues } from "./key-values.js";
import { credentialKey, parseReference } from "./reference.js";
import { parseDuration, parseTimestamp } from "./timestamps.js";

test.each([
  ["busybox", "docker.io/library/busybox", undefined, "busybox"],
  ["me/app:1", "docker.io/me/app", "1", "me/app"],
  ["localhost/app", "localhost/app", undefined, "localhost/app"],
  ["reg:5000/a/b:x", "reg:5000/a/b", "x", "reg:5000/a/b"],
  ["reg.example.org/a", "reg.example.org/a", undefined, "reg.example.org/a"],
  ["docker.io/busybox", "docker.io/library/busybox", undefined, "busybox"],
])("reference %s", (text, name, tag, familiar) => {
  expect(parseReference(text)).toMatchObject({ name, tag, familiar });
});
test("references with digests, and bad ones", () => {
  const digest = `sha256:${"0".repeat(64)}`;
  expect(parseReference(`a:1@${digest}`)).toMatchObject({ name: "docker.io/library/a", tag: "1", digest });
  for (const bad of ["", ":x", "a:", "a//b", "a@sha256:0", "a:b:c", "-a", "a b"]) expect(() => parseReference(bad)).toThrow("invalid reference format");
  expect(() => parseReference("Upper")).toThrow("must be lowercase");
  expect(credentialKey("docker.io")).toBe("https://index.docker.io/v1/");
  expect(credentialKey("reg:5000")).toBe("reg:5000");
});

test.each([["0", 0], ["10s", 10], ["1h30m", 5400], ["1.5h", 5400], ["-2m", -120], ["250ms", 0.25], ["10", undefined], ["", undefined], ["1d", undefined]])("duration %s", (text, seconds) => {
  expect(parseDuration(text)).toBe(seconds);
});
test.each([
  ["1763696411", "1763696411"], ["1763696411.5", "1763696411.5"], ["10m", "400.000"], ["1970-01-01T00:01:00Z", "60"], ["1970-01-01T00:01:00.123456789Z", "60.123456789"],
  ["1970-01-01T01:00:00+01:00", "0"], ["yesterday", "yesterday"], [undefined, undefined],
])("timestamp %s", (text, seconds) => {
  expect(parseTimestamp(text, 1_000_000)).toBe(seconds);
});
test("a date without a zone is local", () => {
  expect(parseTimestamp("2026-11-21")).toBe(String(new Date(2026, 10, 21).getTime() / 1000));
  expect(parseTimestamp("2026-11-21T10")).toBe(String(new Date(2026, 10, 21, 10).getTime() / 1000));
});

test("filters and options", () => {
  expect(parseFilters(["label=a=b", "LABEL = c", ""])).toEqual({ label: ["a=b", "c"] });
  expect(() => parseFilters(["x"])).toThrow("bad format of filter");
  expect(keyValues(["a=1=2", "b"])).toEqual({ a: "1=2", b: "" });
});

test("ports", () => {
  const port = (PrivatePort: number, PublicPort?: number, IP?: string, Type = "tcp") => ({ PrivatePort, PublicPort, IP, Type });
  expect(displayPorts([])).toBe("");
  expect(displayPorts([port(80)])).toBe("80/tcp");
  expect(displayPorts([port(81), port(80), port(83)])).toBe("80-81/tcp, 83/tcp");
  expect(displayPorts([port(80, 8080, "0.0.0.0"), port(80, 8080, "::")])).toBe("0.0.0.0:8080->80/tcp, [::]:8080->80/tcp");
  expect(displayPorts([port(90, 90, "0.0.0.0", "udp"), port(91, 91, "0.0.0.0", "udp"), port(80, 8080, "0.0.0.0")])).toBe("0.0.0.0:90-91->90-91/udp, 0.0.0.0:8080->80/tcp");
});
