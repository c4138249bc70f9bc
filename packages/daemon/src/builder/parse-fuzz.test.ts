import { DockerfileParser } from "dockerfile-ast";
import { InvalidArgument } from "../core/index.js";
import { parseDockerfile, parseTrigger } from "./parse.js";
import { expandWord } from "./words.js";

/** The same numbers in every run. */
class Dice {
  constructor(private state: number) {}
  below(n: number): number {
    this.state = (this.state + 0x6d2b79f5) | 0;
    let t = Math.imul(this.state ^ (this.state >>> 15), 1 | this.state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) % n;
  }
  of<T>(list: readonly T[]): T { return list[this.below(list.length)]!; }
}

const WORDS = ["a", "b/c", "$X", "${X:-y}", "\"q r\"", "'s'", "x=1", "/etc/passwd", "한국", "*.md", "--y", "&&", "${P%/*}"];
const FORMS: readonly ((d: Dice) => string)[] = [
  (d) => `RUN ${d.of(["", "--network=none ", "--mount=type=cache,target=/c ", "--mount=type=bind,source=a,target=/b,rw --security=sandbox "])}echo ${d.of(WORDS)} ${d.of(WORDS)}`,
  (d) => `COPY ${d.of(["", "--from=s0 ", "--chown=1:1 --link ", "--exclude=*.a --exclude=b --parents "])}a ${d.of(WORDS)} /dst/`,
  (d) => `ADD ${d.of(["", "--checksum=sha256:00 ", "--keep-git-dir=true ", "--unpack "])}http://x/${d.below(9)} /d`,
  (d) => `ENV A=${d.of(["1", "\"two words\"", "$B", "a\\ b"])} B=2`, () => "ENV OLD the rest of it", (d) => `LABEL l${d.below(9)}="v" m='n'`, (d) => `ARG A${d.below(9)}=1`,
  () => "CMD [\"a\", \"b\"]", () => "CMD a b", () => "ENTRYPOINT [\"/x\"]", () => "EXPOSE 80 443/tcp", () => "VOLUME /v /w", () => "WORKDIR /w", () => "USER u:g", () => "STOPSIGNAL SIGTERM", () => "SHELL [\"/bin/sh\", \"-c\"]",
  (d) => `HEALTHCHECK --interval=${d.below(50) + 1}s CMD true`, () => "HEALTHCHECK NONE", () => "ONBUILD RUN make", () => "MAINTAINER me",
];

interface Written { readonly text: string; readonly expected: readonly [line: number, keyword: string][] }

/** A file of the grammar, and where its instructions stand. */
function write(d: Dice, heredocs: boolean): Written {
  const lines: string[] = [], expected: [number, string][] = [];
  const put = (keyword: string, ...text: string[]): void => { expected.push([lines.length + 1, keyword]); lines.push(...text); };
  const filler = (): void => { if (d.below(3) === 0) lines.push(d.of(["", "# comment", "# with \\ and \"", "#"])); };
  const stages = 1 + d.below(3);
  if (d.below(4) === 0) put("ARG", "ARG V=1");
  for (let s = 0; s < stages; s++) {
    filler();
    put("FROM", `FROM ${d.of(["a:1", "scratch", "--platform=linux/amd64 b"])}${d.below(2) === 0 ? ` AS s${s}` : ""}`);
    for (let i = d.below(6); i > 0; i--) {
      filler();
      if (heredocs && d.below(4) === 0) {
        put(...d.of<[string, ...string[]]>([["RUN", "RUN <<E cat", "x $y", "FROM z", "E"], ["COPY", "COPY <<-'A' <<B /d/", "\tA b", "\tA", "# c \\", "B"], ["RUN", "RUN a <<E \\", "  && b", "x \\", "E"]]));
        continue;
      }
      const text = d.of(FORMS)(d), keyword = text.slice(0, text.indexOf(" "));
      const space = text.lastIndexOf(" ");
      if (d.below(3) !== 0 || /["'[]/.test(text)) put(keyword, text);
      else put(keyword, `${text.slice(0, space)} \\`, ...(d.below(2) === 0 ? ["  # between"] : []), ` ${text.slice(space)}`);
    }
  }
  return { text: lines.join("\n") + d.of(["", "\n", "\n\n"]), expected };
}

const PIECES = ["\\", "\n", "\\\n", "\"", "'", "[", "]", "{\"a\":1}", "<<EOF", "<<-", "<<", "${", "}", "$", "--", "--x", "--from", "=", "#", "# escape=`\n", "\uFEFF", "\0", "\r", "\t", " ", "FROM ", "ONBUILD ", "RUN ", "AS ", "NONE", "--mount=", "1e309s", "\u2028", "💥", "\ud800", "[[[[[[[[", ",".repeat(50), "a".repeat(3000)];

function mutate(d: Dice, text: string): string {
  for (let n = 1 + d.below(4); n > 0; n--) {
    const at = d.below(text.length + 1), end = Math.min(text.length, at + d.below(20));
    switch (d.below(6)) {
      case 0: text = text.slice(0, at) + d.of(PIECES) + text.slice(at); break;
      case 1: text = text.slice(0, at) + text.slice(end); break;
      case 2: text = text.slice(0, at) + d.of(PIECES) + text.slice(end); break;
      case 3: text = text.slice(0, at) + text.slice(at, end).repeat(3) + text.slice(end); break;
      case 4: text = text.slice(0, at); break;
      default: {
        const lines = text.split("\n"), from = d.below(lines.length);
        lines.splice(d.below(lines.length), 0, ...lines.splice(from, 1));
        text = lines.join("\n");
      }
    }
  }
  return text;
}

const found = (text: string): [number, string][] => {
  const file = parseDockerfile(text);
  const all = [...file.globals, ...file.stages.flatMap((s) => [{ line: s.line, kind: "FROM" }, ...s.instructions])];
  return all.map((i) => [i.line, i.kind]);
};

test("what the grammar writes is read, instruction by instruction, where it stands", () => {
  const dice = new Dice(1);
  for (let i = 0; i < 300; i++) {
    const { text, expected } = write(dice, true);
    expect({ text, found: found(text) }).toEqual({ text, found: expected });
  }
});

test("an editor's parser, which knows nothing of ours, finds the same", () => {
  const dice = new Dice(2);
  for (let i = 0; i < 300; i++) {
    const { text } = write(dice, false);
    const theirs = DockerfileParser.parse(text).getInstructions().map((n) => [n.getRange().start.line + 1, n.getKeyword()]);
    expect({ text, found: found(text) }).toEqual({ text, found: theirs });
  }
});

test("2000 spoilt files: each is read, or refused with a line that the file has", () => {
  const dice = new Dice(3);
  let read = 0, refused = 0;
  for (let i = 0; i < 2000; i++) {
    const text = mutate(dice, write(dice, true).text);
    const outcome = attempt(() => parseDockerfile(text));
    if (outcome === undefined) { read++; continue; }
    refused++;
    const line = Number(/^dockerfile parse error on line (\d+): ./.exec(outcome)?.[1]);
    expect({ text, outcome, good: line >= 1 && line <= text.split("\n").length && outcome.includes(`\n  ${line} | `) }).toEqual({ text, outcome, good: true });
  }
  expect(read).toBeGreaterThan(200);
  expect(refused).toBeGreaterThan(200);
});

test("2000 spoilt triggers and words: read or refused", () => {
  const dice = new Dice(4);
  for (let i = 0; i < 2000; i++) {
    attempt(() => parseTrigger(mutate(dice, dice.of(FORMS)(dice))));
    attempt(() => expandWord(mutate(dice, `${dice.of(WORDS)}\${X#${dice.of(WORDS)}}\${P//a*/${dice.of(WORDS)}}`), (name) => (name === "N" ? undefined : "a/b a"), dice.of(["\\", "`"])));
  }
});

test("what is large takes time in proportion", () => {
  const many = `FROM a\n${"RUN echo \\\n # c\n x\n".repeat(5000)}`;
  expect(parseDockerfile(many).stages[0]!.instructions).toHaveLength(5000);
  for (const text of ["RUN <<E ".repeat(20_000), `RUN ${"\"".repeat(100_001)}`, `ENV ${"A=1 ".repeat(50_000)}`, `RUN ${"[".repeat(100_000)}`, `RUN${" \\\n".repeat(100_000)}`, `COPY ${"--exclude=a ".repeat(20_000)} a b`, `HEALTHCHECK --interval=${"1".repeat(50_000)} CMD x`, `RUN ${"<< ".repeat(50_000)}`, `RUN a${" ".repeat(100_000)}b`, "\\\n".repeat(100_000)]) {
    attempt(() => parseDockerfile(`FROM a\n${text}`));
  }
});

/** The message of an InvalidArgument; anything else is a mistake of ours. */
function attempt(work: () => unknown): string | undefined {
  try {
    work();
    return undefined;
  } catch (e) {
    if (e instanceof InvalidArgument) return e.message;
    throw e;
  }
}
