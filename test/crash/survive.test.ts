import { existsSync } from "node:fs";
import { type Daemon, type TestBed, daemonNeeds, disagreements, needs, setUp, sleep, until } from "../helpers/index.js";

const it = needs(...daemonNeeds, "docker", "curl");

let bed: TestBed, daemon: Daemon;
setUp(async (made) => {
  bed = made;
  daemon = await bed.daemonWithBusybox({ storageDriver: "overlay2" });
});

it("five containers outlive kill -9 of the daemon, with their logs and exit codes", async () => {
  // Counts until told to stop; the log then has every number once. Two write faster than a pipe holds.
  const counter = (code: number, pause: string): string => `i=0; while [ ! -e /stop ]; do i=$((i+1)); echo $i; ${pause}; done; exit ${code}`;
  const names = ["a1", "a2", "a3", "a4", "a5"];
  for (const [i, name] of names.entries()) {
    await daemon.dockerOk("run", "-d", "--name", name, ...(i === 0 ? ["-p", "8080:80"] : []), "busybox", "sh", "-c",
      (i === 0 ? "mkdir /www; echo alive > /www/index.html; httpd -h /www -p 80; " : "") + counter(10 + i, i < 2 ? ":" : "usleep 20000"));
  }
  await daemon.dockerOk("run", "-di", "--name", "echoes", "busybox", "cat");
  const pids = await Promise.all(names.map(async (name) => (await daemon.inspect(name)).State.Pid as number));
  const follower = daemon.dockerStart("logs", "-f", "a3");
  await sleep(500);

  for (let round = 0; round < 2; round++) {
    await daemon.kill9();
    expect(pids.every((pid) => existsSync(`/proc/${pid}`))).toBe(true);
    expect(await bed.netns.fetch("http://127.0.0.1:8080/")).toBe("alive");
    await sleep(1_000);
    await daemon.start();
    expect(await disagreements(daemon)).toEqual([]);
    const states = await Promise.all(names.map(async (name) => (await daemon.inspect(name)).State));
    expect(states.map(({ Status, Pid }) => ({ Status, Pid }))).toEqual(pids.map((Pid) => ({ Status: "running", Pid })));
    expect(await bed.netns.fetch("http://127.0.0.1:8080/")).toBe("alive");
  }
  await follower.exit;
  const echo = daemon.dockerStart("attach", "echoes");
  echo.child.stdin?.write("still there\n");
  await echo.waitFor(/still there/);
  echo.kill("SIGKILL");

  // The last ends while no daemon watches.
  await daemon.dockerOk("exec", "a5", "true");
  await daemon.kill9();
  const merged = `/proc/${pids[4]!}/root/stop`;
  await bed.netns.ok("touch", [merged]);
  await until(() => (existsSync(`/proc/${pids[4]!}`) ? undefined : true), 10_000, "the end of a5");
  await daemon.start();
  expect((await daemon.inspect("a5")).State).toMatchObject({ Status: "exited", ExitCode: 14 });
  expect(await daemon.dockerOk("wait", "a5")).toBe("14");

  for (const [i, name] of names.slice(0, 4).entries()) {
    const waiting = daemon.dockerOk("wait", name);
    // It may be killed with the container's last process before it can say so.
    await daemon.docker(["exec", name, "touch", "/stop"]);
    expect(await waiting).toBe(String(10 + i));
  }
  const gaps: string[] = [];
  for (const name of names) {
    const lines = (await daemon.dockerOk("logs", name)).split("\n").map(Number);
    expect(lines.length).toBeGreaterThan(50);
    for (let i = 1; i < lines.length; i++) if (lines[i] !== lines[i - 1]! + 1) gaps.push(`${name}: ${lines[i - 1]!} is followed by ${lines[i]!}`);
  }
  expect(gaps).toEqual([]);
}, 180_000);
