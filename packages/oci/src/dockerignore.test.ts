import { IgnoreRules, MalformedPattern, parseIgnoreFile } from "./index.js";

test("a file: comments, empty lines, spaces, a byte-order mark, carriage returns, leading slashes, exceptions", () => {
  expect(parseIgnoreFile("\uFEFF# comment\n\n  a  \r\n/b/\n./c/../d\n  # not a comment\n! /keep \n/\n!\n*/x//y\n")).toEqual(
    ["a", "b", "d", "# not a comment", "!keep", "/", "!", "*/x/y"]);
  expect(parseIgnoreFile("")).toEqual([]);
});

const ignores = (patterns: readonly string[], path: string): boolean => new IgnoreRules(patterns).ignores(path);

test.each<[string, string, boolean]>([
  // A name, and everything below it.
  ["a", "a", true], ["a", "a/b/c", true], ["a", "ab", false], ["a", "b/a", false], ["a/", "a/b", true], ["a/b", "a", false], ["a/b", "a/b/c", true],
  // Wildcards stay in their directory.
  ["*", "a", true], ["*", "a/b", true], ["*.md", "x.md", true], ["*.md", "d/x.md", false], ["*/x", "a/x", true], ["*/x", "a/b/x", false], ["*/*/x*", "a/b/xy", true],
  ["te?t", "test", true], ["te?t", "te/t", false], ["[ab].c", "a.c", true], ["[^ab].c", "a.c", false], ["\\*", "*", true], ["\\*", "a", false],
  // Two stars are any number of directories.
  ["**", "a/b", true], ["**/x", "x", true], ["**/x", "a/b/x", true], ["**/x", "a/xx", false], ["**/*.go", "a/b/c.go", true], ["**/*.go", "c.go", true],
  ["a/**", "a", false], ["a/**", "a/b", true], ["a/**", "a/b/c", true], ["a/**/b", "a/b", true], ["a/**/b", "a/x/y/b", true], ["a/**/b", "a/xb", false],
  ["**/", "x", true], ["a**", "abc/d", true], ["**.md", "a/b.md", true], ["**.md", "b.mdx", false], ["a**/b", "axx/y/b", true], ["*/**", "a/b", true],
  ["**/a/**", "x/a/y", true], ["**/a/**", "a", false],
  // What other languages' patterns would make of it.
  ["a.b", "axb", false], ["a+b", "aab", false], ["(a)", "a", false], ["$x^", "$x^", true], ["{a,b}", "a", false],
  [".", "a", false], ["..", "a", false],
])("%s on %s: %s", (pattern, path, expected) => {
  expect(ignores([pattern], path)).toBe(expected);
});

test.each<[string[], string, boolean]>([
  [["*", "!a"], "a", false], [["*", "!a"], "b", true], [["!a", "*"], "a", true], [["*", "!a", "a"], "a", true],
  [["a", "!a/keep"], "a/keep", false], [["a", "!a/keep"], "a/other", true], [["a", "!a/keep", "a/keep/not"], "a/keep/not", true],
  [["*.md", "!README*.md", "README-secret.md"], "README.md", false], [["*.md", "!README*.md", "README-secret.md"], "README-secret.md", true],
  [["*.md", "README-secret.md", "!README*.md"], "README-secret.md", false], [["**", "!**/*.go"], "x/y.go", false], [["**", "!**/*.go"], "x/y.c", true],
  [["d/**", "!d/x"], "d/x/y", false], [["*", "!d"], "d/e/f", false], [["*", "!d", "d/e"], "d/e/f", true],
])("%j on %s: %s", (patterns, path, expected) => {
  expect(ignores(patterns, path)).toBe(expected);
});

test("the root is never ignored", () => {
  expect(ignores(["*", "."], ".")).toBe(false);
  expect(ignores(["**"], "./")).toBe(false);
});

test("a walk from the top says the same as a question about one path", () => {
  const rules = new IgnoreRules(["a", "!a/b", "a/b/c", "**/*.x", "!k.x"]);
  const a = rules.below("a"), b = rules.below("a/b", a), c = rules.below("a/b/c", b);
  expect([a.ignored, b.ignored, c.ignored, rules.below("a/b/d", b).ignored, rules.below("a/b/d.x", b).ignored]).toEqual([true, false, true, false, true]);
  for (const path of ["a", "a/b", "a/b/c", "a/b/d", "a/b/d.x"]) {
    let state: ReturnType<IgnoreRules["below"]> | undefined;
    path.split("/").forEach((_, i, parts) => { state = rules.below(parts.slice(0, i + 1).join("/"), state); });
    expect([path, state!.ignored]).toEqual([path, rules.ignores(path)]);
  }
});

test.each<[string[], string, boolean]>([
  [["a"], "a", false], [["*", "!a/b/c"], "a", true], [["*", "!a/b/c"], "a/b", true], [["*", "!a/b/c"], "b", false], [["*", "!a"], "ab", false],
  [["*", "!**/x"], "a/b", true], [["*", "!a/*/x"], "a/b", true], [["*", "!a/*/x"], "b", false], [["*", "!*.md"], "sub", false], [["*", "!*/*.md"], "sub", true],
])("%j: exceptions below %s may be there: %s", (patterns, directory, expected) => {
  expect(new IgnoreRules(patterns).mayHoldExceptions(directory)).toBe(expected);
});

test.each([["!"], ["a", "["], ["a\\"], ["!["]])("%j is refused", (...patterns) => {
  expect(() => new IgnoreRules(patterns)).toThrow(MalformedPattern);
});
