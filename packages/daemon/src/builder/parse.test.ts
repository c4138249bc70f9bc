import { InvalidArgument } from "../core/index.js";
import type { Dockerfile, Instruction } from "./dockerfile.js";
import { parseDockerfile, parseInstructions, parseTrigger } from "./parse.js";

/** The instructions behind `FROM base`, without line and text. */
function instructions(body: string): object[] {
  return parseDockerfile(`FROM base\n${body}`).stages[0]!.instructions.map(bare);
}
function bare(instruction: Instruction): object {
  return Object.fromEntries(Object.entries(instruction).filter(([key]) => key !== "line" && key !== "text"));
}
const one = (body: string): object => {
  const all = instructions(body);
  expect(all).toHaveLength(1);
  return all[0]!;
};
const copy = { exclude: [], link: false, parents: false, keepGitDir: false };
const run = { kind: "RUN", heredocs: [], mounts: [] };

describe("lines", () => {
  const texts = (file: Dockerfile): [number, string][] => file.stages.flatMap((s) => [[s.line, s.text] as [number, string], ...s.instructions.map((i) => [i.line, i.text] as [number, string])]);

  test.each<[string, string, [number, string][]]>([
    ["comments and empty lines", "# c\n\n  # d\n \tFROM a\n\nRUN b # c\n", [[4, "FROM a"], [6, "RUN b # c"]]],
    ["keywords in any case", "from a\nrUn b", [[1, "FROM a"], [2, "RUN b"]]],
    ["continuations", "FROM a\nRUN b \\\n  c\\\nd \\  \n\te\nRUN f", [[1, "FROM a"], [2, "RUN b   cd \te"], [6, "RUN f"]]],
    ["a continued keyword", "FROM a\nRU\\\nN b", [[1, "FROM a"], [2, "RUN b"]]],
    ["comments between continued lines", "FROM a\nRUN b \\\n# c \\\n   # d\n  e", [[1, "FROM a"], [2, "RUN b   e"]]],
    ["an escaped escape ends the line", "FROM a\nRUN b \\\\\nRUN c", [[1, "FROM a"], [2, "RUN b \\\\"], [3, "RUN c"]]],
    ["a continuation at the end", "FROM a\nRUN b \\\n", [[1, "FROM a"], [2, "RUN b"]]],
    ["an escape alone", "FROM a\nRUN b \\\n\\\nc", [[1, "FROM a"], [2, "RUN b c"]]],
    ["carriage returns and a byte-order mark", "\uFEFFFROM a\r\nRUN b \\\r\n c\r\n", [[1, "FROM a"], [2, "RUN b  c"]]],
    ["form feeds and tabs part words", "FROM\ta\nRUN\f b", [[1, "FROM\ta"], [2, "RUN\f b"]]],
  ])("%s", (_, text, expected) => {
    const file = parseDockerfile(text);
    expect(texts(file)).toEqual(expected);
    expect(file.warnings).toEqual([]);
  });

  test("an empty line in a continued instruction is passed over with a warning", () => {
    const file = parseDockerfile("FROM a\nENV A=1 \\\n\n  B=2\nRUN x \\\n \t\n y\n");
    expect(texts(file)).toEqual([[1, "FROM a"], [2, "ENV A=1   B=2"], [5, "RUN x  y"]]);
    expect(file.warnings).toEqual(["Empty continuation line found in:\n    ENV A=1   B=2", "Empty continuation line found in:\n    RUN x  y"]);
  });
});

describe("directives", () => {
  test.each<[string, Partial<Dockerfile>]>([
    ["# escape=`\n# syntax = docker/dockerfile:1 \n# check=skip=all;error=true\nFROM a", { escape: "`", syntax: "docker/dockerfile:1" }],
    ["#ESCAPE=\\\nFROM a", { escape: "\\" }], ["  # escape=`\nFROM a", { escape: "`" }], ["\uFEFF# escape=`\r\nFROM a", { escape: "`" }],
    // Only at the top: after anything else they are comments.
    ["# c\n# escape=`\nFROM a", { escape: "\\" }], ["\n# escape=`\nFROM a", { escape: "\\" }], ["FROM a\n# escape=`\n", { escape: "\\" }], ["# unknown=x\n# escape=`\nFROM a", { escape: "\\" }], ["# c\n# escape=`\n# escape=`\nFROM a", { escape: "\\" }],
  ])("%j", (text, expected) => {
    const { escape, syntax } = parseDockerfile(text);
    expect({ escape, syntax }).toEqual({ syntax: undefined, ...expected });
  });

  test("the backtick continues lines and escapes in words; the backslash does not", () => {
    expect(parseDockerfile("# escape=`\nFROM a\nRUN b `\n c:\\\nENV A=`\" B=c:\\").stages[0]!.instructions.map(bare)).toEqual([
      { ...run, command: { shell: "b  c:\\" } }, { kind: "ENV", pairs: [["A", "`\""], ["B", "c:\\"]] }]);
  });
});

describe("stages", () => {
  test("ARG before FROM, names in lower case, platforms", () => {
    const file = parseDockerfile("ARG V=1 W\nFROM a:$V AS Build\nRUN x\nFROM --platform=$BUILDPLATFORM build as b.2-x_y\nFROM scratch");
    expect(file.globals.map(bare)).toEqual([{ kind: "ARG", args: [{ name: "V", value: "1" }, { name: "W" }] }]);
    expect(file.stages.map(({ instructions: list, ...stage }) => ({ ...stage, count: list.length }))).toEqual([
      { index: 0, name: "build", from: "a:$V", line: 2, text: "FROM a:$V AS Build", count: 1 },
      { index: 1, name: "b.2-x_y", from: "build", platform: "$BUILDPLATFORM", line: 4, text: "FROM --platform=$BUILDPLATFORM build as b.2-x_y", count: 0 },
      { index: 2, from: "scratch", line: 5, text: "FROM scratch", count: 0 },
    ]);
  });
});

describe("instructions", () => {
  test.each<[string, object]>([
    ["ARG A", { kind: "ARG", args: [{ name: "A" }] }], ["ARG A= B=\"x y\" C", { kind: "ARG", args: [{ name: "A", value: "" }, { name: "B", value: "\"x y\"" }, { name: "C" }] }],
    ["ENV A=1 B='2 3' C=a\\ b D=$A", { kind: "ENV", pairs: [["A", "1"], ["B", "'2 3'"], ["C", "a\\ b"], ["D", "$A"]] }],
    ["ENV A the  \"rest\" = x", { kind: "ENV", pairs: [["A", "the  \"rest\" = x"]] }], ["ENV A=b=c", { kind: "ENV", pairs: [["A", "b=c"]] }],
    ["LABEL \"a b\"=\"c\" d=", { kind: "LABEL", pairs: [["\"a b\"", "\"c\""], ["d", ""]] }], ["LABEL a b", { kind: "LABEL", pairs: [["a", "b"]] }],
    ["MAINTAINER  Me <me@x>", { kind: "MAINTAINER", value: "Me <me@x>" }], ["WORKDIR /a b", { kind: "WORKDIR", value: "/a b" }], ["USER $U:g", { kind: "USER", value: "$U:g" }], ["STOPSIGNAL 9", { kind: "STOPSIGNAL", value: "9" }],
    ["EXPOSE 80  $P/udp 1-2", { kind: "EXPOSE", words: ["80", "$P/udp", "1-2"] }],
    ["VOLUME /a /b", { kind: "VOLUME", words: ["/a", "/b"] }], ["VOLUME [\"/a b\", \" /c \"]", { kind: "VOLUME", words: ["/a b", "/c"] }], ["VOLUME [/a", { kind: "VOLUME", words: ["[/a"] }],
    ["SHELL [\"/bin/bash\", \"-c\"]", { kind: "SHELL", args: ["/bin/bash", "-c"] }],
    ["CMD echo  $A", { kind: "CMD", command: { shell: "echo  $A" } }], ["CMD [ \"a\" , \"b\\n\" ]", { kind: "CMD", command: { exec: ["a", "b\n"] } }], ["CMD []", { kind: "CMD", command: { exec: [] } }], ["CMD", { kind: "CMD", command: { shell: "" } }],
    // What is nearly JSON is for the shell.
    ["CMD ['a']", { kind: "CMD", command: { shell: "['a']" } }], ["CMD [\"a\",]", { kind: "CMD", command: { shell: "[\"a\",]" } }], ["CMD [\"a\"] x", { kind: "CMD", command: { shell: "[\"a\"] x" } }],
    ["ENTRYPOINT [\"a\", \\\n \"b\"]", { kind: "ENTRYPOINT", command: { exec: ["a", "b"] } }], ["ENTRYPOINT a", { kind: "ENTRYPOINT", command: { shell: "a" } }],
    ["CMD -- --version", { kind: "CMD", command: { shell: "--version" } }],
    ["RUN a && \\\n  b", { ...run, command: { shell: "a &&   b" } }], ["RUN [\"a\"]", { ...run, command: { exec: ["a"] } }],
    ["RUN --network=host --security=insecure a", { ...run, command: { shell: "a" }, network: "host", security: "insecure" }],
    ["RUN --mount=type=cache,TARGET=/x,ro --mount=type=secret,id=s,required a", { ...run, command: { shell: "a" }, mounts: [new Map([["type", "cache"], ["target", "/x"], ["ro", "true"]]), new Map([["type", "secret"], ["id", "s"], ["required", "true"]])] }],
    ["RUN --mount='type=bind,\"source=a,b\",target=/x' a", { ...run, command: { shell: "a" }, mounts: [new Map([["type", "bind"], ["source", "a,b"], ["target", "/x"]])] }],
    ["RUN --mount=type=$T,target=/x a", { ...run, command: { shell: "a" }, mounts: [new Map([["type", "$T"], ["target", "/x"]])] }],
    ["COPY a b", { ...copy, kind: "COPY", sources: ["a"], destination: "b" }], ["COPY [\"a b\", \"c\", \"d/\"]", { ...copy, kind: "COPY", sources: ["a b", "c"], destination: "d/" }], ["COPY [a b", { ...copy, kind: "COPY", sources: ["[a"], destination: "b" }],
    ["COPY --from=x --chown=1:2 --chmod=755 --link --parents --exclude=*.md --exclude=a/b a b", { kind: "COPY", sources: ["a"], destination: "b", from: "x", chown: "1:2", chmod: "755", link: true, parents: true, exclude: ["*.md", "a/b"], keepGitDir: false }],
    ["COPY --link=false --parents=TRUE \\\n --chown=\"a b\" a b", { ...copy, kind: "COPY", sources: ["a"], destination: "b", chown: "a b", parents: true }],
    ["ADD --checksum=sha256:x --keep-git-dir --unpack=false --link=true http://x/y /z", { ...copy, kind: "ADD", sources: ["http://x/y"], destination: "/z", checksum: "sha256:x", keepGitDir: true, unpack: false, link: true }],
    ["ADD --unpack a b", { ...copy, kind: "ADD", sources: ["a"], destination: "b", unpack: true }],
    ["HEALTHCHECK NONE", { kind: "HEALTHCHECK", check: null }], ["HEALTHCHECK none", { kind: "HEALTHCHECK", check: null }], ["HEALTHCHECK --interval=5s NONE", { kind: "HEALTHCHECK", check: null }],
    ["HEALTHCHECK CMD a || b", { kind: "HEALTHCHECK", check: { command: { shell: "a || b" } } }],
    ["HEALTHCHECK --interval=1m30s --timeout=.5s --start-period=1.5h --start-interval=0 --retries=3 cmd [\"a\"]", { kind: "HEALTHCHECK", check: { command: { exec: ["a"] }, interval: 90e9, timeout: 5e8, startPeriod: 5400e9, startInterval: 0, retries: 3 } }],
    ["HEALTHCHECK --interval=1ms --timeout=2us1s --retries= CMD a", { kind: "HEALTHCHECK", check: { command: { shell: "a" }, interval: 1e6, timeout: 1e9 + 2000 } }],
    ["ONBUILD run  a", { kind: "ONBUILD", trigger: "run  a" }], ["ONBUILD COPY --from=x a b", { kind: "ONBUILD", trigger: "COPY --from=x a b" }], ["ONBUILD LATER x", { kind: "ONBUILD", trigger: "LATER x" }],
  ])("%s", (body, expected) => {
    expect(one(body)).toEqual(expected);
  });
});

describe("heredocs", () => {
  const doc = (name: string, content: string, expand = true): object => ({ name, content, expand });
  test.each<[string, object]>([
    ["RUN <<EOF\na\n  b \\\n# c\n\nEOF", { ...run, command: { shell: "<<EOF" }, heredocs: [doc("EOF", "a\n  b \\\n# c\n\n")] }],
    ["RUN cat <<A <<'B' > x \\\n  && y\n1\nA\n2\nB", { ...run, command: { shell: "cat <<A <<'B' > x   && y" }, heredocs: [doc("A", "1\n"), doc("B", "2\n", false)] }],
    ["RUN <<-EOF\n\t\ta\n\t b\n \tc\n\tEOF", { ...run, command: { shell: "<<-EOF" }, heredocs: [doc("EOF", "a\n b\n \tc\n")] }],
    ["RUN 3<<\"E O\" x << F\na\nE O\nb\nF", { ...run, command: { shell: "3<<\"E O\" x << F" }, heredocs: [doc("E O", "a\n", false), doc("F", "b\n")] }],
    ["RUN <<EOF\nEOF", { ...run, command: { shell: "<<EOF" }, heredocs: [doc("EOF", "")] }],
    ["RUN --network=none <<EOF\nx\nEOF\n", { ...run, command: { shell: "<<EOF" }, network: "none", heredocs: [doc("EOF", "x\n")] }],
    ["COPY <<a.txt b <<-'c.txt' /d/\n$x\na.txt\n\t$y\n\tc.txt", { ...copy, kind: "COPY", sources: [doc("a.txt", "$x\n"), "b", doc("c.txt", "$y\n", false)], destination: "/d/" }],
    ["ADD --chmod=600 <<E /x\r\na\r\nE\r\n", { ...copy, kind: "ADD", chmod: "600", sources: [doc("E", "a\r\n")], destination: "/x" }],
    ["ONBUILD RUN <<-EOF\n\ta\n\tEOF", { kind: "ONBUILD", trigger: "RUN <<-EOF\n\ta\nEOF" }],
    // None of these is one.
    ["RUN echo \"<<EOF\"", { ...run, command: { shell: "echo \"<<EOF\"" } }], ["RUN cat<<EOF", { ...run, command: { shell: "cat<<EOF" } }], ["RUN cat <<< x", { ...run, command: { shell: "cat <<< x" } }], ["RUN echo $((1<<2))", { ...run, command: { shell: "echo $((1<<2))" } }],
    ["RUN echo it's <<EOF", { ...run, command: { shell: "echo it's <<EOF" } }], ["RUN [\"cat\", \"<<EOF\"]", { ...run, command: { exec: ["cat", "<<EOF"] } }], ["CMD cat <<EOF", { kind: "CMD", command: { shell: "cat <<EOF" } }], ["COPY [\"<<EOF\", \"b\"]", { ...copy, kind: "COPY", sources: ["<<EOF"], destination: "b" }],
  ])("%j", (body, expected) => {
    expect(one(body)).toEqual(expected);
  });
  test("what follows is read as usual, and lines count on", () => {
    expect(parseDockerfile("FROM a\nRUN <<E\nx\nE\nUSER u").stages[0]!.instructions.map((i) => [i.line, i.text])).toEqual([[2, "RUN <<E"], [5, "USER u"]]);
  });
});

describe("refused", () => {
  test.each<[string, number, string]>([
    ["", 1, "file with no instructions"], ["# only\n\n", 3, "file with no instructions"], ["ARG A\n", 2, "no build stage"], ["RUN x\nFROM a", 1, "no build stage in current context: RUN stands before the first FROM"],
    ["FROM a\nFOO b", 2, "unknown instruction: FOO"], ["FROM a\n\n\nRUM x", 4, "unknown instruction: RUM (did you mean RUN?)"], ["FORM a", 1, "did you mean FROM?"], ["\\\n", 1, "unknown instruction: "], ["FROM a\nhasOwnProperty x", 2, "unknown instruction: HASOWNPROPERTY"],
    ["FROM", 1, "FROM requires either one or three arguments"], ["FROM a b", 1, "either one or three"], ["FROM a on b", 1, "either one or three"], ["FROM a AS", 1, "either one or three"], ["FROM a AS 1b", 1, "invalid name for build stage: \"1b\""], ["FROM a AS b/c", 1, "invalid name"], ["FROM --platfrom=x a", 1, "unknown flag: --platfrom (did you mean platform?)"],
    ["FROM a AS x\nFROM b AS X", 2, "x stage name already used"],
    ["# escape=x\nFROM a", 1, "invalid escape token 'x'"], ["# escape=`\n# escape=`\nFROM a", 2, "only one escape parser directive"], ["# syntax=a\n# syntax=b\nFROM a", 2, "only one syntax"],
    ["FROM a\nENV", 2, "ENV requires at least one argument"], ["FROM a\nENV A", 2, "ENV must have two arguments"], ["FROM a\nENV A=1 B", 2, "can't find = in \"B\""], ["FROM a\nLABEL =1", 2, "LABEL names can not be blank"], ["FROM a\nARG", 2, "ARG requires"], ["FROM a\nARG =1", 2, "ARG names can not be blank"], ["FROM a\nENV --x A=1", 2, "unknown flag: --x"],
    ["FROM a\nRUN", 2, "RUN requires"], ["FROM a\nRUN []", 2, "RUN requires"], ["FROM a\nCMD [1]", 2, "comprised of strings only"], ["FROM a\nRUN [\"a\", [\"b\"]]", 2, "comprised of strings only"], ["FROM a\nCMD --version", 2, "unknown flag: --version"],
    ["FROM a\nRUN --network=x a", 2, "invalid network mode \"x\""], ["FROM a\nRUN --security=x a", 2, "security \"x\" is not valid"], ["FROM a\nRUN --network a", 2, "missing a value on flag: --network"], ["FROM a\nRUN --network=none --network=host a", 2, "duplicate flag specified: --network"],
    ["FROM a\nRUN --mount=type=nope a", 2, "unsupported mount type \"nope\""], ["FROM a\nRUN --mount=type=cash a", 2, "did you mean cache?"], ["FROM a\nRUN --mount=tpe=bind a", 2, "unexpected key 'tpe'"], ["FROM a\nRUN --mount=target a", 2, "must be a key=value pair"], ["FROM a\nRUN --mount='\"x' a", 2, "a quote is left open"],
    ["FROM a\nRUN <<EOF\nx\n EOF", 2, "unterminated heredoc"], ["FROM a\nCOPY a <<EOF\nx\nEOF", 2, "COPY cannot accept a heredoc as a destination"],
    ["FROM a\nCOPY a", 2, "COPY requires at least two arguments"], ["FROM a\nADD", 2, "ADD requires at least two"], ["FROM a\nCOPY []", 2, "at least two"], ["FROM a\nCOPY --frm=x a b", 2, "unknown flag: --frm (did you mean from?)"], ["FROM a\nADD --from=x a b", 2, "unknown flag: --from"], ["FROM a\nCOPY --checksum=x a b", 2, "unknown flag: --checksum"],
    ["FROM a\nCOPY --link= a b", 2, "missing a value on flag: --link"], ["FROM a\nCOPY --link=1 a b", 2, "expecting boolean value for flag --link, not: 1"], ["FROM a\nCOPY --chown a b", 2, "missing a value on flag: --chown"], ["FROM a\nCOPY --__proto__=x a b", 2, "unknown flag: --__proto__"],
    ["FROM a\nUSER", 2, "USER requires exactly one argument"], ["FROM a\nWORKDIR  ", 2, "WORKDIR requires exactly one"], ["FROM a\nSTOPSIGNAL", 2, "STOPSIGNAL requires"], ["FROM a\nMAINTAINER", 2, "MAINTAINER requires"], ["FROM a\nEXPOSE", 2, "EXPOSE requires"], ["FROM a\nVOLUME", 2, "VOLUME requires"], ["FROM a\nVOLUME []", 2, "VOLUME requires"], ["FROM a\nVOLUME [\"\"]", 2, "can not be an empty string"],
    ["FROM a\nSHELL a", 2, "SHELL requires the arguments to be in JSON form"], ["FROM a\nSHELL []", 2, "SHELL requires at least one"], ["FROM a\nSHELL", 2, "SHELL requires at least one"],
    ["FROM a\nHEALTHCHECK", 2, "HEALTHCHECK requires"], ["FROM a\nHEALTHCHECK NONE x", 2, "takes no arguments"], ["FROM a\nHEALTHCHECK RUN x", 2, "Unknown type \"RUN\" in HEALTHCHECK (try CMD)"], ["FROM a\nHEALTHCHECK CMD", 2, "Missing command after HEALTHCHECK CMD"], ["FROM a\nHEALTHCHECK CMD []", 2, "Missing command"],
    ["FROM a\nHEALTHCHECK --interval=soon CMD x", 2, "invalid duration \"soon\" of --interval"], ["FROM a\nHEALTHCHECK --timeout=5 CMD x", 2, "invalid duration"], ["FROM a\nHEALTHCHECK --timeout=9999999h CMD x", 2, "invalid duration"], ["FROM a\nHEALTHCHECK --interval=1us CMD x", 2, "Interval \"interval\" cannot be less than 1ms"], ["FROM a\nHEALTHCHECK --interval=-1s CMD x", 2, "less than 1ms"],
    ["FROM a\nHEALTHCHECK --retries=x CMD x", 2, "--retries must be a whole number (not x)"], ["FROM a\nHEALTHCHECK --retries=-1 CMD x", 2, "cannot be negative"], ["FROM a\nHEALTHCHECK --intervall=1s CMD x", 2, "did you mean interval?"],
    ["FROM a\nONBUILD", 2, "ONBUILD requires"], ["FROM a\nONBUILD onbuild RUN x", 2, "Chaining ONBUILD"], ["FROM a\nONBUILD FROM x", 2, "FROM isn't allowed as an ONBUILD trigger"], ["FROM a\nONBUILD MAINTAINER x", 2, "MAINTAINER isn't allowed"], ["FROM a\nONBUILD ENV A", 2, "ENV must have two arguments"],
  ])("%j", (text, line, message) => {
    const error = caught(() => parseDockerfile(text));
    expect(error.message).toContain(message);
    expect(error.message).toMatch(new RegExp(`^dockerfile parse error on line ${line}: `));
    expect(error.message.split("\n").at(-1)).toBe(`  ${line} | ${text.split("\n")[line - 1]!}`);
  });

  test("a line too long to show is cut", () => {
    expect(caught(() => parseDockerfile(`FOO ${"x".repeat(5000)}`)).message.length).toBeLessThan(400);
  });
});

function caught(work: () => unknown): InvalidArgument {
  try {
    work();
  } catch (e) {
    expect(e).toBeInstanceOf(InvalidArgument);
    return e as InvalidArgument;
  }
  throw new Error("nothing was refused");
}

describe("triggers", () => {
  test.each<[string, object]>([["RUN a \\\n b", { ...run, command: { shell: "a  b" } }], ["env A=1", { kind: "ENV", pairs: [["A", "1"]] }], ["RUN <<E\nx\nE", { ...run, command: { shell: "<<E" }, heredocs: [{ name: "E", content: "x\n", expand: true }] }], ["# escape=`\nRUN c:\\", { ...run, command: { shell: "c:" } }]])("%j", (text, expected) => {
    expect(bare(parseTrigger(text))).toEqual(expected);
  });
  test("in the file's escape", () => {
    expect(bare(parseTrigger("RUN a `\n b\\", "`"))).toEqual({ ...run, command: { shell: "a  b\\" } });
  });
  test.each<[string, string]>([
    ["FROM x", "FROM isn't allowed"], ["onbuild RUN x", "Chaining"], ["MAINTAINER x", "MAINTAINER isn't allowed"], ["", "is empty"], ["RUN a\nRUN b", "single instruction"], ["FOO", "unknown instruction: FOO"], ["COPY a", "at least two"],
  ])("%j is refused", (text, message) => {
    expect(caught(() => parseTrigger(text)).message).toContain(message);
  });
});

test("instructions without a stage: messages name no line, and the caller says what may be there", () => {
  const check = (keyword: string): void => { if (keyword === "RUN") throw new InvalidArgument("no RUN"); };
  expect(parseInstructions("USER a\nCMD b", check).map(bare)).toEqual([{ kind: "USER", value: "a" }, { kind: "CMD", command: { shell: "b" } }]);
  expect(() => parseInstructions("USER a\nrun b", check)).toThrow(/^no RUN$/);
  expect(() => parseInstructions("ENV A", check)).toThrow(/^ENV must have two arguments$/);
});
