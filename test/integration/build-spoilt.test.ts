import { readdirSync } from "node:fs";
import { join } from "node:path";
import { Dice, type Daemon, agreed, daemonNeeds, emptied, footprint, importBusybox, leavesNothing, needs, setUp, tarOfMembers } from "../helpers/index.js";

/** Dockerfiles that a grammar wrote and mutations spoilt, sent to a daemon: each builds, or fails and says where. */
const it = needs(...daemonNeeds, "docker");

const FILES = Number(process.env["STRATA_SPOILT_FILES"] ?? 240);
const SEED = Number(process.env["STRATA_SPOILT_SEED"] ?? 6);
const AT_ONCE = 3;

let daemon: Daemon;
setUp(async (bed) => { daemon = await bed.daemonWithBusybox(); });

const CONTEXT = [{ name: "a.txt", data: "a\n" }, { name: "d/" }, { name: "d/x", data: "x\n" }, { name: "d/e/" }, { name: "d/e/y.md", data: "y\n" }, { name: "exe", data: "#!/bin/sh\n", mode: 0o755 }, { name: "l", type: "symlink", link: "d/x" }] as const;

const WORDS = ["a.txt", "d", "$A", "${A:-d}", "\"q r\"", "'s'", "x=1", "/etc/passwd", "한국", "*.txt", "d/*", "l", "${B%/*}"];
const FORMS: readonly ((dice: Dice) => string)[] = [
  (d) => `RUN ${d.of(["", "--network=none ", "--mount=type=tmpfs,target=/t ", "--mount=type=bind,target=/c "])}${d.of(["echo $A > /o", "true", "[\"/bin/sh\", \"-c\", \"mkdir -p /r\"]"])}`,
  (d) => `COPY ${d.of(["", "--chown=1:1 ", "--chmod=640 ", "--exclude=*.md "])}${d.of(WORDS)} ${d.of(["/dst/", "/etc/", ".", "/dst/a"])}`, (d) => `COPY a.txt ${d.of(WORDS)} /many/`, (d) => `ADD ${d.of(WORDS)} /added`,
  (d) => `ENV A=${d.of(["1", "\"two words\"", "$B", "a\\ b"])} B=2`, () => "ENV OLD the rest of it", (d) => `LABEL l${d.below(9)}="v" m='n'`, (d) => `ARG A${d.below(9)}=1`, () => "COPY <<E /h\nline $A\nE", () => "CMD [\"a\", \"b\"]", () => "ENTRYPOINT a b",
  () => "EXPOSE 80 443/tcp", () => "VOLUME /v /w", () => "WORKDIR w", () => "USER 1:1", () => "STOPSIGNAL SIGTERM", () => "SHELL [\"/bin/sh\", \"-c\"]", (d) => `HEALTHCHECK --interval=${d.below(50) + 1}s CMD true`, () => "ONBUILD RUN make", () => "MAINTAINER me",
];

/** A file that is right but for what its words lead to. */
function write(dice: Dice): string {
  const lines: string[] = dice.below(4) === 0 ? ["# escape=\\", "ARG A=busybox"] : [];
  const stages = 1 + dice.below(2);
  for (let stage = 0; stage < stages; stage++) {
    lines.push(`FROM busybox AS s${stage}`);
    for (let count = 1 + dice.below(4); count > 0; count--) lines.push(...dice.of(FORMS)(dice).split("\n"));
    if (stage > 0 && dice.below(2) === 0) lines.push(`COPY --from=s0 ${dice.of(["/etc/passwd", "/bin", "/nothing", "/et?/group"])} /from/`);
  }
  return `${lines.join("\n")}\n`;
}

const PIECES = ["\\", "\n", "\\\n", "\"", "'", "[", "]", "<<EOF", "<<", "${", "}", "$", "--", "--x", "--from=s0 ", "=", "#", "\u0000", "\r", " ", "FROM ", "ONBUILD ", "AS ", "--mount=", "../../", "/proc/self/root/", ":", "@", "💥", "a".repeat(300)];

function mutate(dice: Dice, text: string): string {
  for (let count = 1 + dice.below(2); count > 0; count--) {
    const at = dice.below(text.length + 1), end = Math.min(text.length, at + dice.below(8));
    const lines = text.split("\n"), line = dice.below(lines.length), words = lines[line]!.split(" "), word = dice.below(words.length);
    const withLine = (...put: string[]): string => [...lines.slice(0, line), ...put, ...lines.slice(line + 1)].join("\n");
    switch (dice.below(8)) {
      case 0: text = text.slice(0, at) + dice.of(PIECES) + text.slice(at); break;
      case 1: text = text.slice(0, at) + text.slice(end); break;
      case 2: text = text.slice(0, at); break;
      case 3: text = withLine(); break;
      case 4: text = withLine(lines[line]!, lines[dice.below(lines.length)]!); break;
      case 5: text = withLine(words.filter((_, i) => i !== word).join(" ")); break;
      case 6: text = withLine(words.map((w, i) => (i === word ? dice.of(PIECES) : w)).join(" ")); break;
      default: text = withLine([...words, dice.of(WORDS)].join(" "));
    }
  }
  return text;
}

interface Outcome { readonly kind: "built" | "refused" | "failed" | "command" | "fault"; readonly said: string }

async function send(dockerfile: string): Promise<Outcome> {
  const { status, text, json } = await daemon.api("POST", "/build", {
    query: { forcerm: 1, networkmode: "none" }, body: tarOfMembers([{ name: "Dockerfile", data: dockerfile }, ...CONTEXT]), headers: { "Content-Type": "application/x-tar" },
  });
  if (status !== 200) {
    const { message } = json as { message: string };
    // No registry is in reach that could say that it has no such image.
    if (/Get "https:\/\/registry-1\.docker\.io\//.test(message)) return { kind: "failed", said: message };
    return { kind: status >= 400 && status < 500 ? "refused" : "fault", said: message };
  }
  const lines = text.trim().split("\r\n").map((line) => JSON.parse(line) as { stream?: string; errorDetail?: { message: string; code?: number } });
  const error = lines.at(-1)!.errorDetail, all = lines.map(({ stream = "" }) => stream).join("");
  if (error === undefined) return { kind: all.includes("Successfully built") ? "built" : "fault", said: all };
  return { kind: error.code === undefined ? "failed" : "command", said: error.message };
}
/** The line that a message names is one of the file. What a command ended with is known by the command. */
function saysWhere({ kind, said }: Outcome, dockerfile: string): boolean {
  if (kind === "command") return /^The command '[^]*' returned a non-zero code: \d+$/.test(said);
  const line = Number(/\bline (\d+)/.exec(said)?.[1]);
  return kind === "built" || (line >= 1 && line <= dockerfile.split("\n").length);
}

it(`${FILES} spoilt Dockerfiles (seed ${SEED}): each is built, or refused or fails with its line, and nothing is left behind`, async () => {
  const dice = new Dice(SEED);
  expect(await send("FROM busybox\nRUN true\nCOPY . /x\n")).toMatchObject({ kind: "built" });
  const before = await footprint(daemon, []);
  const corpus = Array.from({ length: FILES }, () => mutate(dice, write(dice)));
  const count = { built: 0, refused: 0, failed: 0, command: 0, fault: 0 };
  const wrong: object[] = [];
  const next = async (): Promise<void> => {
    for (let dockerfile = corpus.pop(); dockerfile !== undefined; dockerfile = corpus.pop()) {
      const outcome = await send(dockerfile);
      count[outcome.kind]++;
      if (outcome.kind === "fault" || !saysWhere(outcome, dockerfile)) wrong.push({ dockerfile, ...outcome });
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, next));
  expect(wrong).toEqual([]);
  expect(count.built).toBeGreaterThan(FILES / 20);
  expect(count.refused).toBeGreaterThan(FILES / 20);
  expect(count.failed).toBeGreaterThan(0);

  expect(await daemon.dockerOk("ps", "-aq")).toBe("");
  expect(readdirSync(join(daemon.dataRoot, "tmp"))).toEqual([]);
  await leavesNothing(daemon, before, []);
  await agreed(daemon, count);
  await daemon.dockerOk("builder", "prune", "-af");
  await daemon.dockerOk("image", "prune", "-af");
  await emptied(daemon);
}, 300_000);

it("a stage that cannot begin ends those that run", async () => {
  await importBusybox(daemon);
  const before = await footprint(daemon, []);
  expect(await send("FROM busybox AS one\nRUN sleep 1000\nFROM --platform=no/such/platform/at/all busybox\nCOPY --from=one /etc/passwd /x\n")).toMatchObject({ kind: expect.stringMatching(/refused|failed/), said: expect.stringMatching(/line 3: .*is no platform/) });
  expect(await daemon.dockerOk("ps", "-aq")).toBe("");
  await leavesNothing(daemon, before, []);
}, 120_000);
