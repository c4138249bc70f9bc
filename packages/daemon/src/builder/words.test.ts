import { InvalidArgument } from "../core/index.js";
import { expandHeredoc, expandWord, splitWords, unquote } from "./words.js";

const env: Readonly<Record<string, string>> = { PWD: "/home", SH: "bash", KO: "한국어", NULL: "", F: "foo.tar.gz", P: "/usr/local/bin", STAR: "a*b*c", B: "{x}", X: "x", NL: "a\nb" };
const lookup = (name: string): string | undefined => (Object.hasOwn(env, name) ? env[name] : undefined);

test.each<[string, string]>([
  ["hello", "hello"], ["", ""], ["a'b c'd", "ab cd"], ["a\"b c\"d", "ab cd"], ["a\\'b", "a'b"], ["a\\tb", "atb"], ["\"a\\tb\"", "a\\tb"], ["\"a\\\\b\"", "a\\b"], ["'a\\tb'", "a\\tb"],
  ["a\\", "a"], ["a\\\\", "a\\"], ["\"\\\"\"", "\""], ["'\\'", "\\"], ["\"'\"", "'"], ["'\"'", "\""], ["''", ""], ["\"a\\", "error"],
  // Variables.
  ["$PWD", "/home"], ["x$PWD.y", "x/home.y"], ["$NONE", ""], ["x$", "x$"], ["$.", "$."], ["\\$PWD", "$PWD"], ["'$PWD'", "$PWD"], ["\"$PWD\"", "/home"], ["\"\\$PWD\"", "$PWD"], ["\\\\$PWD", "\\/home"],
  ["$KO", "한국어"], ["한$KO", "한한국어"], ["$1x", "x"], ["$12x", "x"], ["$@@", "@"], ["$$", ""], ["${1:-b}", "b"], ["${@:-b}", "b"], ["${#}", ""], ["${-:-b}", "b"], ["${PWD}", "/home"], ["a${PWD}b", "a/homeb"],
  // Defaults.
  ["${NONE:-d}", "d"], ["${NONE-d}", "d"], ["${NULL:-d}", "d"], ["${NULL-d}", ""], ["${PWD:-d}", "/home"], ["${NONE:-}", ""], ["${NONE:-$PWD}", "/home"], ["${NONE:-${NULL:-y}}", "y"], ["${NONE:-\\${PWD}z}x", "${PWDz}x"],
  ["${NONE:-a b}", "a b"], ["${NONE:-'a}b'}", "a}b"], ["${NONE:-\"$SH}\"}", "bash}"], ["${NONE:-a\\}b}", "a}b"], ["${NONE:-{x}", "{x"], ["${NONE}}", "}"],
  ["${PWD:+o}", "o"], ["${NONE:+o}", ""], ["${NULL:+o}", ""], ["${NULL+o}", "o"], ["${PWD:+${SH}:}x", "bash:x"], ["${PWD:?}", "/home"], ["${NULL?}", ""], ["${PWD?m}", "/home"],
  // Off the beginning and the end, shortest and longest.
  ["${F#*.}", "tar.gz"], ["${F##*.}", "gz"], ["${F%.*}", "foo.tar"], ["${F%%.*}", "foo"], ["${F#foo}", ".tar.gz"], ["${F#bar}", "foo.tar.gz"], ["${F%.gz}", "foo.tar"], ["${F#}", "foo.tar.gz"], ["${F%}", "foo.tar.gz"],
  ["${F##*}", ""], ["${F#*}", "foo.tar.gz"], ["${F#?}", "oo.tar.gz"], ["${F%??}", "foo.tar."], ["${P##*/}", "bin"], ["${P%/*}", "/usr/local"], ["${STAR#a\\*}", "b*c"], ["${STAR%%\\**}", "a"], ["${STAR#a\\?}", "a*b*c"],
  ["${B#{}", "x}"], ["${B%\\}}", "{x"], ["${P#$PWD}", "/usr/local/bin"], ["${P#/${NONE:-usr}}", "/local/bin"], ["${NONE#x}", ""], ["${KO#?}", "국어"], ["${NL#*b}", "a\nb"], ["${F#'foo'}", ".tar.gz"], ["\"${F%.gz}\"", "foo.tar"],
  // Replacement of the first and of every match.
  ["${F/o/0}", "f0o.tar.gz"], ["${F//o/0}", "f00.tar.gz"], ["${F/./}", "footar.gz"], ["${F//./-}", "foo-tar-gz"], ["${F/o*/x}", "fx"], ["${F//?/x}", "xxxxxxxxxx"], ["${P/\\/usr/}", "/local/bin"], ["${P//\\//:}", ":usr:local:bin"],
  ["${P//\\//\\/}", "\\/usr\\/local\\/bin"], ["${P/$NONE/w}", "w/usr/local/bin"], ["${X//$NONE/w}", "wxw"], ["${X///}", "x"], ["${NONE///}", ""], ["${STAR/\\*b/-}", "a-*c"], ["${STAR//\\*/}", "abc"], ["${F/bar/x}", "foo.tar.gz"],
  ["${F/${NONE:-o}/$SH}", "fbasho.tar.gz"], ["${F//o*/x}", "fx"], ["${F/oo.*z/!}", "f!"],
])("%s is %s", (word, expected) => {
  if (expected === "error") expect(() => expandWord(word, lookup)).toThrow(InvalidArgument);
  else expect(expandWord(word, lookup)).toBe(expected);
});

test.each<[string, RegExp]>([
  ["'a", /looking for matching single-quote/], ["\"a", /looking for matching double-quote/], ["\"a\\\"", /double-quote/], ["a'b'c'", /single-quote/],
  ["${}", /bad substitution/], ["${{a}", /bad substitution/], ["${:-a}", /bad substitution/], ["${.}", /unsupported modifier \(\.\)/], ["${PWD", /missing '}'/], ["${", /missing '}'/], ["${PWD:", /missing '}'/], ["${PWD:-a", /missing '}'/],
  ["${PWD:-${X}", /missing '}'/], ["${PWD:=a}", /unsupported modifier \(:=\)/], ["${PWD=a}", /unsupported modifier \(=\)/], ["${PWD:a}", /unsupported modifier/], ["${PWD:#a}", /unsupported modifier \(:#\)/], ["${PWD:%%a}", /unsupported modifier/], ["${PWD:/a/b}", /unsupported/],
  ["${NONE:?}", /NONE: is not allowed to be unset/], ["${NULL:?}", /NULL: is not allowed to be empty/], ["${NONE?say $SH}", /NONE: say bash/], ["${NULL:?say}", /NULL: say/],
  ["${F//o}", /missing '\/'/], ["${F/o", /missing '\/'/], ["${F/o/x", /missing '}'/], ["${F#\\x}", /invalid pattern \(\\x\) in substitution: invalid escape/], ["${F%a\\\"}", /invalid escape/],
])("%s is refused", (word, message) => {
  expect(() => expandWord(word, lookup)).toThrow(InvalidArgument);
  expect(() => expandWord(word, lookup)).toThrow(message);
  expect(() => expandWord(word, lookup)).toThrow(`failed to process ${JSON.stringify(word)}`);
});

test("with the backtick as escape the backslash is a character", () => {
  expect(expandWord("c:\\x`$PWD\\$PWD", lookup, "`")).toBe("c:\\x$PWD\\/home");
  expect(expandWord("\"a`\"b\\\"", lookup, "`")).toBe("a\"b\\");
  expect(splitWords("a` b \"c` d\" e\\ f", "`")).toEqual(["a` b", "\"c` d\"", "e\\", "f"]);
});

test("in a heredoc quotes are text", () => {
  expect(expandHeredoc("it's \"$SH\" \\$SH ${NONE:-'q'}\n", lookup)).toBe("it's \"bash\" $SH 'q'\n");
});

test.each<[string, string[]]>([
  ["", []], ["  a  b ", ["a", "b"]], ["a\\ b c", ["a\\ b", "c"]], ["'a b' c", ["'a b'", "c"]], ["x=\"a \\\" b\" y", ["x=\"a \\\" b\"", "y"]], ["'a\\' b", ["'a\\'", "b"]], ["\"\" ''", ["\"\"", "''"]], ["a\\", ["a"]], ["\\", []], ["a 'b c", ["a", "'b c"]], ["a\tb\nc", ["a", "b", "c"]],
])("splitWords(%j)", (text, expected) => {
  expect(splitWords(text)).toEqual(expected);
});

test("unquote leaves variables and sees open quotes", () => {
  expect(unquote("'E'\"O\"\\F$x${y")).toBe("EOF$x${y");
  expect(unquote("a'b")).toBeUndefined();
});

test("patterns and nests that beg for work are quick or refused", () => {
  const value = "a".repeat(4000);
  expect(expandWord(`\${A#${"*a".repeat(30)}b}`, () => value)).toBe(value);
  expect(expandWord(`\${A//${"*a".repeat(30)}b/x}`, () => value)).toBe(value);
  expect(expandWord(`\${A%%${"?".repeat(100)}*}`, () => value)).toBe("");
  expect(() => expandWord(`\${A#${"*a".repeat(2000)}}`, () => value)).toThrow(/too long/);
  expect(() => expandWord("${A:-".repeat(5000) + "}".repeat(5000), () => undefined)).toThrow(/nested too deeply/);
});
