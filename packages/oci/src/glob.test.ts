import { Glob, globMatch, hasWildcards, MalformedPattern } from "./index.js";

test.each<[string, string, boolean]>([
  ["abc", "abc", true], ["abc", "abcd", false], ["", "", true], ["", "a", false],
  ["*", "abc", true], ["*", "a/b", false], ["*", "", true], ["*c", "abc", true], ["a*", "a", true], ["a*", "ab/c", false],
  ["a*/b", "abc/b", true], ["a*/b", "a/c/b", false], ["a*b*c*d*e*/f", "axbxcxdxexxx/f", true], ["a*b*c*d*e*/f", "axbxcxdxexxx/fff", false],
  ["a*b?c*x", "abxbbxdbxebxczzx", true], ["a*b?c*x", "abxbbxdbxebxczzy", false],
  ["a?b", "a☺b", true], ["a?b", "a/b", false], ["a??b", "a☺b", false],
  ["ab[c]", "abc", true], ["ab[b-d]", "abc", true], ["ab[e-g]", "abc", false], ["ab[^c]", "abc", false], ["ab[^e-g]", "abc", true],
  ["[a-zA-Z0-9]*.go", "Main.go", true], ["[!a]", "!", true], ["[!a]", "b", false], ["[\\]a]", "]", true], ["[\\-x]", "-", true],
  ["a\\*b", "a*b", true], ["a\\*b", "ab", false], ["a\\[b", "a[b", true], ["**", "a/b", false], ["**/x", "a/x", true], ["**/x", "a/b/x", false],
  ["a.b", "axb", false], ["(a|b)+", "(a|b)+", true],
])("%s on %s: %s", (pattern, name, expected) => {
  expect(globMatch(pattern, name)).toBe(expected);
});

test.each(["[", "[]", "[]a]", "[a", "[^", "[-]", "[x-]", "[a-", "a\\", "[a-b-c]", "[\\"])("%s is malformed, whatever the name", (pattern) => {
  expect(() => globMatch(pattern, "zzz")).toThrow(MalformedPattern);
});

test("a pattern that begs for backtracking is quick: the work is pattern times name", () => {
  const glob = new Glob("*a".repeat(40) + "b");
  expect(glob.matches("a".repeat(5000))).toBe(false);
  expect(glob.matches(`${"a".repeat(5000)}b`)).toBe(true);
  expect(new Glob("**/*a".repeat(30), true).matches("a/".repeat(2000))).toBe(false);
});

test.each<[string, boolean]>([["a", false], ["a*", true], ["a?", true], ["[a]", true], ["a\\*", false], ["\\\\*", true], ["a\\", false]])("hasWildcards(%s): %s", (path, expected) => {
  expect(hasWildcards(path)).toBe(expected);
});
