import { markMap, ZeroValue } from "./show.js";
import { Template } from "./template.js";

const labels = { "a.b": "dotted", x: "plain" };
markMap(labels);
const data = {
  ID: "abc", Names: ["/one", "/two"], Size: 42, Ratio: 1.5, Running: true, Empty: "", None: [], Nil: null, Nothing: new ZeroValue("[]"),
  Config: { Labels: labels, Cmd: ["sh", "-c", "echo hi"] },
  Mounts: [{ Type: "bind", Destination: "/a" }, { Type: "volume", Destination: "/b" }],
};
const run = (source: string, value: unknown = data): string => new Template(source).execute(value);

test.each([
  ["plain text", "plain text"],
  ["{{.ID}}", "abc"],
  ["{{ .ID }}\t{{.Size}}", "abc\t42"],
  ["{{.Config.Labels.x}}", "plain"],
  ['{{index .Config.Labels "a.b"}}', "dotted"],
  ['{{index .Config.Labels "absent"}}|', "|"],
  ["{{index .Names 1}}", "/two"],
  ["{{(index .Mounts 1).Destination}}", "/b"],
  ["{{.Missing}}", "<no value>"],
  ["{{.Nil}} {{.Nothing}} {{.None}}", "<nil> [] []"],
  ["{{.Config.Cmd}}", "[sh -c echo hi]"],
  ["{{.Config.Labels}}", "map[a.b:dotted x:plain]"],
  ["{{index .Mounts 0}}", "{bind /a}"],
  ["{{json .Config.Cmd}}", '["sh","-c","echo hi"]'],
  ["{{json .Nothing}}", "null"],
  ["{{.Names | json}}", '["/one","/two"]'],
  ['{{join .Names ","}}', "/one,/two"],
  ['{{split "a,b" ","}}', "[a b]"],
  ["{{upper .ID}} {{lower \"ABC\"}} {{title \"hello big world\"}}", "ABC abc Hello Big World"],
  ["{{len .Names}} {{len .ID}} {{len .Nothing}}", "2 3 0"],
  ['{{println .ID 1}}', "abc 1\n"],
  ['{{print "a" 1 2 "b" "c"}}', "a1 2bc"],
  ['{{printf "%-5s|%5d|%05d|%q|%v|%.2f|%x|%t|%%" .ID .Size .Size .ID .Names .Ratio 255 true}}', 'abc  |   42|00042|"abc"|[/one /two]|1.50|ff|true|%'],
  ['{{printf "%d"}} {{printf "%d" "s"}} {{printf "x" 1}}', "%!d(MISSING) %!d(string=s) x%!(EXTRA int=1)"],
  ['{{pad "x" 1 2}}|{{truncate "abcdef" 3}}', " x  |abc"],
  ["{{if .Running}}up{{else}}down{{end}}", "up"],
  ["{{if .Empty}}a{{else if .None}}b{{else if .Nil}}c{{else}}d{{end}}", "d"],
  ["{{if and .Running (eq .Size 42)}}yes{{end}}", "yes"],
  ['{{and .Empty .Missing.Deep}}|{{or .ID .Missing.Deep}}', "|abc"],
  ["{{not .Running}} {{ne .ID \"x\"}} {{eq .Size 1 42}} {{lt 1 2}} {{ge 2 2}} {{gt \"b\" \"a\"}} {{le 3 2}}", "false true true true true true false"],
  ["{{range .Names}}[{{.}}]{{end}}", "[/one][/two]"],
  ["{{range $i, $n := .Names}}{{$i}}={{$n}};{{end}}", "0=/one;1=/two;"],
  ["{{range $k, $v := .Config.Labels}}{{$k}}:{{$v}} {{end}}", "a.b:dotted x:plain "],
  ["{{range .None}}x{{else}}none{{end}}", "none"],
  ["{{range .Names}}{{$.ID}}{{break}}{{end}}", "abc"],
  ["{{range .Names}}{{if eq . \"/one\"}}{{continue}}{{end}}{{.}}{{end}}", "/two"],
  ["{{with .Config}}{{.Cmd | len}}{{end}}{{with .Nil}}x{{else}}y{{end}}", "3y"],
  ["{{$x := .ID}}{{$x}}{{$x = \"new\"}}{{$x}}", "abcnew"],
  ["{{$n := 0}}{{range .Names}}{{$n = len .}}{{end}}{{$n}}", "4"],
  ["a {{- .ID -}} b", "aabcb"],
  ["a{{/* a comment */}}b {{- /* trims */ -}} c", "abc"],
  ['{{"quoted \\"x\\" \\t\\u00e4"}}{{`raw \\n`}}', 'quoted "x" \tä' + "raw \\n"],
  ["{{1}} {{-7}} {{0x10}} {{1.5}} {{true}} {{'a'}}", "1 -7 16 1.5 true 97"],
  ['{{"abc" | upper | printf "%s-%s" "x"}}', "x-ABC"],
  ["{{slice .ID 1 2}}{{slice .ID 1}}", "bbc"],
  ["{{html \"<a>&\"}} {{urlquery \"a b&\"}}", "&lt;a&gt;&amp; a+b%26"],
  ["{{.}}", "text"],
])("%s", (source, expected) => {
  expect(run(source, source === "{{.}}" ? "text" : data)).toBe(expected);
});

test("a resolver gives methods and refuses unknown fields", () => {
  const row = new Template('{{.Label "a"}} {{.ID}}', { field: (_object, name) => {
    if (name === "ID") return () => "id";
    if (name === "Label") return (key: unknown) => `label-${String(key)}`;
    throw new Error(`can't evaluate field ${name} in type Row`);
  } });
  expect(row.execute({})).toBe("label-a id");
});

test.each([
  ["{{.ID", "template: :1: unclosed action"],
  ["a\n{{.ID", "template: :2: unclosed action"],
  ["{{if .ID}}x", "template: :1: unexpected EOF"],
  ["{{end}}", "template: :1: unexpected {{end}}"],
  ["{{nosuch .ID}}", 'template: :1: function "nosuch" not defined'],
  ["{{$x}}", 'template: :1: undefined variable "$x"'],
  ["{{}}", "template: :1: missing value for command"],
  ["{{if}}{{end}}", "template: :1: missing value for if"],
  ['{{"abc}}', "template: :1: unterminated quoted string"],
  ["{{(.ID}}", "template: :1: unclosed left paren"],
  ["{{break}}", "template: :1: {{break}} outside {{range}}"],
  ["{{.ID | 3}}", "template: :1: non executable command in pipeline stage 2"],
  ["{{3 4}}", "template: :1: can't give argument to non-function"],
  ['{{template "x"}}', "template: :1: {{template}} is not supported"],
  ["{{range .Names}}{{$y := .}}{{end}}{{$y}}", 'template: :1: undefined variable "$y"'],
])("refuses to parse %s", (source, message) => {
  expect(() => new Template(source)).toThrow(message);
});

test.each([
  ["{{.ID.Foo}}", 'template: :1:2: executing "" at <.ID.Foo>: can\'t evaluate field Foo in type string'],
  ["{{.Nil.Foo}}", 'template: :1:2: executing "" at <.Nil.Foo>: nil data; no entry for key "Foo"'],
  ["{{index .Names 7}}", 'template: :1:2: executing "" at <index>: error calling index: reflect: slice index out of range: 7'],
  ["{{lower 1}}", "error calling lower: wrong type for value; expected string; got number"],
  ["{{eq .ID 1}}", "error calling eq: incompatible types for comparison"],
  ["{{.ID 1}}", "ID has arguments but cannot be invoked as function"],
])("fails to execute %s", (source, message) => {
  expect(() => run(source)).toThrow(message);
});
