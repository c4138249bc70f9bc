import { closeSync, mkdtempSync, openSync, readFileSync, realpathSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Child } from "./child.js";
import { run } from "./spawn.js";

async function text(child: Child, n: number): Promise<string> {
  let all = "";
  for await (const chunk of child.pipes[n]! as AsyncIterable<Buffer>) all += chunk.toString();
  return all;
}

test("streams, environment, directory, signals as at the start of a process", async () => {
  const dir = realpathSync(tmpdir());
  const child = new Child("sh", ["-c", "cat; pwd; echo $A; grep -E '^Sig(Blk|Ign)' /proc/self/status >&2; exit 7"], { stdio: ["pipe", "pipe", "pipe"], env: { A: "1 2", PATH: process.env["PATH"] }, cwd: dir });
  child.pipes[0]!.end("in\n");
  const [out, err] = await Promise.all([text(child, 1), text(child, 2)]);
  expect(out).toBe(`in\n${dir}\n1 2\n`);
  expect(err).toBe("SigBlk:\t0000000000000000\nSigIgn:\t0000000000000000\n");
  expect(await child.ended()).toBe(7);
});

test("descriptors land where they are asked for, whatever their numbers; others are not inherited", async () => {
  const dir = mkdtempSync(join(tmpdir(), "strata-child-"));
  const file = openSync(join(dir, "f"), "w+");
  const other = openSync("/dev/null", "r");
  try {
    const child = new Child("sh", ["-c", "echo three >&3; echo five >&5; ls /proc/self/fd | tr '\\n' ' '"], { stdio: ["null", "pipe", "null", file, other, "pipe"] });
    const [out, five] = await Promise.all([text(child, 1), text(child, 5)]);
    expect(five).toBe("five\n");
    const inherited = out.trim().split(" ").map(Number);
    for (const fd of [file, other]) if (fd > 5) expect(inherited).not.toContain(fd);
    expect(await child.ended()).toBe(0);
    expect(readFileSync(join(dir, "f"), "utf8")).toBe("three\n");
  } finally {
    closeSync(file);
    closeSync(other);
    rmSync(dir, { recursive: true });
  }
});

test("a program that is not there, one that is killed, a session of its own", async () => {
  await expect(new Child("no-such-program", [], { stdio: [] }).pid).rejects.toMatchObject({ code: "ENOENT", message: expect.stringContaining("spawn no-such-program") as string });
  const child = new Child("sleep", ["100"], { stdio: ["null", "null", "null"], newSession: true });
  const pid = await child.pid;
  expect(readFileSync(`/proc/${pid}/stat`, "utf8").split(") ")[1]!.split(" ")[3]).toBe(String(pid));
  child.kill("SIGKILL");
  expect(await child.ended()).toBe(137);
  expect(() => process.kill(pid, 0)).toThrow("ESRCH");
});

test("many at once", async () => {
  const codes = await Promise.all(Array.from({ length: 40 }, async (_, i) => {
    const child = new Child("sh", ["-c", `exit ${i}`], { stdio: ["null", "pipe", "null"] });
    await text(child, 1);
    return child.ended();
  }));
  expect(codes).toEqual(Array.from({ length: 40 }, (_, i) => i));
});

test("run: words of failure, input, allowed codes, time limit", async () => {
  expect(await run("cat", [], { input: "x".repeat(200_000) })).toMatchObject({ code: 0, stdout: "x".repeat(200_000) });
  await expect(run("sh", ["-c", "echo bad >&2; exit 3"])).rejects.toMatchObject({ message: "sh: bad", code: 3 });
  expect((await run("sh", ["-c", "exit 3"], { allow: [0, 3] })).code).toBe(3);
  await expect(run("sleep", ["100"], { timeoutMs: 50 })).rejects.toThrow("killed by signal 15");
  await expect(run("no-such-program", [])).rejects.toMatchObject({ code: "ENOENT" });
});

test("as many programs as are asked for at once are started", async () => {
  const children = Array.from({ length: 600 }, () => new Child("true", [], { stdio: ["null", "null", "null"] }));
  await Promise.all(children.map((child) => child.pid));
  expect(await Promise.all(children.map((child) => child.ended()))).toEqual(children.map(() => 0));
});
