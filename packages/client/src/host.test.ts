import { defaultHost, parseHost } from "./host.js";
import { encodeFilters, encodeQuery } from "./query.js";
import { splitReference } from "./reference.js";

test("hosts", () => {
  expect(parseHost("unix:///a/b.sock")).toMatchObject({ kind: "unix", path: "/a/b.sock" });
  expect(parseHost("/a/b.sock")).toMatchObject({ kind: "unix", host: "unix:///a/b.sock" });
  expect(parseHost("tcp://127.0.0.1:99/base/")).toMatchObject({ kind: "tcp", hostname: "127.0.0.1", port: 99, basePath: "/base", secure: false });
  expect(parseHost("tcp://h")).toMatchObject({ port: 2375, secure: false });
  expect(parseHost("tcp://h", true)).toMatchObject({ port: 2376, secure: true });
  expect(parseHost("tcp://h:80", true)).toMatchObject({ port: 80 });
  expect(parseHost("tcp://[::1]:2375")).toMatchObject({ hostname: "::1", port: 2375 });
  for (const bad of ["", "unix://rel", "ftp://x", "nonsense"]) expect(() => parseHost(bad)).toThrow("unable to parse host");
});

test("the host comes from the environment", () => {
  expect(defaultHost({})).toBe("unix:///run/strata/strata.sock");
  expect(defaultHost({ DOCKER_HOST: "tcp://d" })).toBe("tcp://d");
  expect(defaultHost({ DOCKER_HOST: "tcp://d", STRATA_HOST: "tcp://s" })).toBe("tcp://s");
});

test("queries", () => {
  expect(encodeQuery(undefined)).toBe("");
  expect(encodeQuery({ a: undefined })).toBe("");
  expect(encodeQuery({ a: true, b: false, c: 0, d: ["x", "y z"], e: "" })).toBe("?a=1&b=0&c=0&d=x&d=y+z&e=");
  expect(encodeFilters({})).toBeUndefined();
  expect(encodeFilters({ label: ["a=b"] })).toBe('{"label":["a=b"]}');
});

test("references", () => {
  expect(splitReference("busybox")).toEqual({ name: "busybox", tag: undefined });
  expect(splitReference("a/b:1")).toEqual({ name: "a/b", tag: "1" });
  expect(splitReference("host:5000/a")).toEqual({ name: "host:5000/a", tag: undefined });
  expect(splitReference("host:5000/a:2")).toEqual({ name: "host:5000/a", tag: "2" });
  expect(splitReference("a:1@sha256:00")).toEqual({ name: "a", tag: "sha256:00" });
});
