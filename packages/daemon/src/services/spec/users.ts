import { InvalidArgument } from "../../core/index.js";

export interface ResolvedUser {
  readonly uid: number;
  readonly gid: number;
  readonly additionalGids: readonly number[];
  readonly home: string;
}

interface Account { name: string; uid: number; gid: number; home: string }
interface Group { name: string; gid: number; members: string[] }

const MAX_ID = 2 ** 31 - 1;

function accounts(passwd: string | null): Account[] {
  return (passwd ?? "").split("\n").flatMap((line) => {
    const f = line.trim().split(":");
    return f.length < 4 || f[0]!.startsWith("#") ? [] : [{ name: f[0]!, uid: Number(f[2]), gid: Number(f[3]), home: f[5] ?? "" }];
  }).filter((a) => Number.isInteger(a.uid) && Number.isInteger(a.gid));
}
function groups(group: string | null): Group[] {
  return (group ?? "").split("\n").flatMap((line) => {
    const f = line.trim().split(":");
    return f.length < 3 || f[0]!.startsWith("#") ? [] : [{ name: f[0]!, gid: Number(f[2]), members: (f[3] ?? "").split(",").filter(Boolean) }];
  }).filter((g) => Number.isInteger(g.gid));
}
function numeric(text: string): number | undefined {
  if (!/^-?\d+$/.test(text)) return undefined;
  const id = Number(text);
  if (id < 0 || id > MAX_ID) throw new InvalidArgument("uids and gids must be in range 0-2147483647");
  return id;
}

/**
 * Resolves `user[:group]` (names or numbers) and extra groups against the image's passwd(5) and group(5).
 * A numeric user without an entry has group 0 and home `/`. InvalidArgument in Docker's words when a name is unknown.
 */
export function resolveUser(user: string, groupAdd: readonly string[], passwd: string | null, group: string | null): ResolvedUser {
  const [userPart = "", groupPart] = user.split(":", 2) as [string?, string?];
  const people = accounts(passwd), teams = groups(group);
  const uidAsked = userPart === "" ? 0 : numeric(userPart);
  const account = people.find((a) => a.name === userPart) ?? people.find((a) => a.uid === uidAsked);
  if (account === undefined && uidAsked === undefined) throw new InvalidArgument(`unable to find user ${userPart}: no matching entries in passwd file`);
  const uid = account?.uid ?? uidAsked ?? 0;
  const gidOf = (name: string): number => {
    const gid = teams.find((g) => g.name === name)?.gid ?? numeric(name);
    if (gid === undefined) throw new InvalidArgument(`unable to find group ${name}: no matching entries in group file`);
    return gid;
  };
  const gid = groupPart ? gidOf(groupPart) : account?.gid ?? 0;
  const additional = new Set(groupPart || account === undefined ? [] : teams.filter((g) => g.members.includes(account.name)).map((g) => g.gid));
  for (const name of groupAdd) additional.add(gidOf(name));
  // Without it, files that deny the primary group would open to a process that changes its group (CVE-2022-36109).
  additional.add(gid);
  return { uid, gid, additionalGids: [...additional].sort((a, b) => a - b), home: account?.home || "/" };
}
