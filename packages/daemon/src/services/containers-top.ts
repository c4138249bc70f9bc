import { InvalidArgument, type ProcessInfo, type ProcessTable } from "../core/index.js";

type Column = readonly [title: string, value: (p: ProcessInfo, t: Table) => string];
interface Table { readonly now: number; readonly memory: number }

const two = (n: number): string => String(Math.floor(n)).padStart(2, "0");
const clockTime = (seconds: number): string => `${two(seconds / 3600)}:${two((seconds / 60) % 60)}:${two(seconds % 60)}`;
const share = (p: ProcessInfo, now: number): number => (p.cpu * 1000) / Math.max(now - p.startedAt, 1);
const started = (at: number, now: number): string => {
  const date = new Date(at);
  return now - at < 86_400_000 ? `${two(date.getHours())}:${two(date.getMinutes())}` : date.toDateString().slice(4, 10).replace(" ", "");
};
const elapsed = (p: ProcessInfo, now: number): string => {
  const s = Math.max(0, Math.floor((now - p.startedAt) / 1000)), days = Math.floor(s / 86_400);
  return `${days > 0 ? `${days}-` : ""}${s >= 3600 ? clockTime(s % 86_400) : clockTime(s).slice(3)}`;
};
const kib = (bytes: number): string => String(Math.round(bytes / 1024));

const CMD: Column["1"] = (p) => p.command;
const COLUMNS: Readonly<Record<string, Column>> = {
  pid: ["PID", (p) => String(p.pid)], ppid: ["PPID", (p) => String(p.ppid)], pgid: ["PGID", (p) => String(p.pgid)], pgrp: ["PGRP", (p) => String(p.pgid)],
  sid: ["SID", (p) => String(p.sid)], sess: ["SESS", (p) => String(p.sid)], uid: ["UID", (p) => String(p.uid)], user: ["USER", (p) => p.user], euser: ["EUSER", (p) => p.user],
  uname: ["USER", (p) => p.user], ruser: ["RUSER", (p) => p.user], c: ["C", (p, t) => String(Math.min(99, Math.floor(share(p, t.now) * 100)))],
  pcpu: ["%CPU", (p, t) => (share(p, t.now) * 100).toFixed(1)], pmem: ["%MEM", (p, t) => ((p.resident / t.memory) * 100).toFixed(1)], vsz: ["VSZ", (p) => kib(p.virtual)],
  rss: ["RSS", (p) => kib(p.resident)], tty: ["TT", (p) => p.tty], tname: ["TTY", (p) => p.tty], tt: ["TT", (p) => p.tty], stat: ["STAT", (p) => p.state], state: ["S", (p) => p.state[0]!],
  s: ["S", (p) => p.state[0]!], stime: ["STIME", (p, t) => started(p.startedAt, t.now)], start: ["STARTED", (p, t) => started(p.startedAt, t.now)],
  start_time: ["START", (p, t) => started(p.startedAt, t.now)], lstart: ["STARTED", (p) => new Date(p.startedAt).toUTCString()], etime: ["ELAPSED", (p, t) => elapsed(p, t.now)],
  etimes: ["ELAPSED", (p, t) => String(Math.floor((t.now - p.startedAt) / 1000))], time: ["TIME", (p) => clockTime(p.cpu)], cputime: ["TIME", (p) => clockTime(p.cpu)],
  bsdtime: ["TIME", (p) => `${Math.floor(p.cpu / 60)}:${two(p.cpu % 60)}`], ni: ["NI", (p) => String(p.nice)], nice: ["NI", (p) => String(p.nice)], nlwp: ["NLWP", (p) => String(p.threads)],
  thcount: ["THCNT", (p) => String(p.threads)], comm: ["COMMAND", (p) => p.name], ucmd: ["CMD", (p) => p.name], args: ["COMMAND", CMD], command: ["COMMAND", CMD], cmd: ["CMD", CMD],
};
const ALIASES: Readonly<Record<string, string>> = { "%cpu": "pcpu", "%mem": "pmem", vsize: "vsz", rssize: "rss", session: "sess" };

const named = (names: string): Column[] => names.split(" ").map((name) => COLUMNS[name]!);
/** `ps -ef` calls the owner UID and the terminal TTY. */
const FULL: readonly Column[] = [["UID", (p) => p.user], ...named("pid ppid c stime tname time cmd")];
const PLAIN: readonly Column[] = named("pid tname time ucmd");
const BSD: readonly Column[] = [...named("user pid pcpu pmem vsz rss"), ["TTY", (p) => p.tty], ...named("stat start_time bsdtime command")];
const BSD_PLAIN: readonly Column[] = [COLUMNS["pid"]!, ["TTY", (p) => p.tty], ...named("stat bsdtime command")];
const LONG: readonly Column[] = [["S", (p) => p.state[0]!], ["UID", (p) => String(p.uid)], ...named("pid ppid c ni"), ["SZ", (p) => String(Math.round(p.virtual / 4096))], ...named("tname time ucmd")];

/** The columns that arguments of ps(1) ask for. Those that choose processes do not matter: the container's are shown. */
export function columnsOf(psArgs: string): readonly Column[] {
  const words = psArgs.trim().split(/\s+/).filter(Boolean);
  const asked: Column[] = [];
  let chosen: readonly Column[] | undefined;
  for (let i = 0; i < words.length; i++) {
    const word = words[i]!;
    const format = /^-?[a-zA-Z]*?o(.*)$/.exec(word)?.[1] ?? /^--format=?(.*)$/.exec(word)?.[1];
    if (format !== undefined) {
      const list = format === "" ? words[++i] ?? "" : format;
      asked.push(...list.split(",").filter(Boolean).map(column));
    } else if (word.startsWith("--")) {
      throw unknown(psArgs);
    } else if (word.startsWith("-")) {
      if (!/^-[aAdeNfFlwHLTy]+$/.test(word)) throw unknown(psArgs);
      if (/[fF]/.test(word)) chosen = FULL;
      else if (word.includes("l")) chosen = LONG;
    } else {
      if (!/^[axuwlfr]+$/.test(word)) throw unknown(psArgs);
      chosen = word.includes("u") ? BSD : BSD_PLAIN;
    }
  }
  return asked.length > 0 ? asked : chosen ?? PLAIN;
}

/** `pid`, or `pid=Title`. */
function column(text: string): Column {
  const [name = "", title] = text.toLowerCase() === text || !text.includes("=") ? text.split("=", 2) : [text.slice(0, text.indexOf("=")), text.slice(text.indexOf("=") + 1)];
  const key = name.toLowerCase();
  const found = COLUMNS[ALIASES[key] ?? key];
  if (found === undefined) throw new InvalidArgument(`ps: error: unknown user-defined format specifier "${name}"`);
  return title === undefined || title === "" ? found : [title, found[1]];
}

const unknown = (psArgs: string): InvalidArgument => new InvalidArgument(`unsupported ps arguments: ${psArgs}`);

/** The processes of a container as ps(1) would show them. */
export async function topOf(table: ProcessTable, pid: number, psArgs: string, now: number): Promise<{ titles: string[]; processes: string[][] }> {
  const columns = columnsOf(psArgs);
  const facts: Table = { now, memory: table.memory };
  return { titles: columns.map(([title]) => title), processes: (await table.of(pid)).map((p) => columns.map(([, value]) => value(p, facts))) };
}
