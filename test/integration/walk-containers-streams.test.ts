import { readdirSync, readFileSync } from "node:fs";
import { connect } from "node:net";
import WebSocket from "ws";
import { type Daemon, Pty, daemonNeeds, needs, open, setUp, sleep, until } from "../helpers/index.js";

/** Streams of containers and execs: who is attached, how they leave, and what they miss: nothing. */
const it = needs(...daemonNeeds, "docker");
const typed = needs(...daemonNeeds, "docker", "pty");

let daemon: Daemon;
setUp(async (bed) => { daemon = await bed.daemonWithBusybox(); });
afterEach(() => daemon.removeContainers());

const running = async (name: string): Promise<boolean> => (await daemon.inspect(name)).State.Running;
const terminal = (...args: string[]): Pty => new Pty(["docker", ...args], daemon.env());

describe("--detach-keys", () => {
  typed("of run, attach and start leave the container running, and only the whole sequence does", async () => {
    const shell = terminal("run", "-it", "--name", "box", "--detach-keys", "ctrl-x,q", "busybox", "sh");
    await shell.expect(/# /);
    shell.type("echo still $((1+1)) \x18w\r");
    await shell.expect(/still 2/);
    shell.type("\x18q");
    expect([await shell.exit, await running("box")]).toEqual([0, true]);
    const again = terminal("attach", "--detach-keys", "a,b", "box");
    again.type("\r");
    await again.expect(/# /);
    again.type("ab");
    await again.exit;
    expect(await running("box")).toBe(true);
    await daemon.dockerOk("kill", "box");
    const started = terminal("start", "-ai", "--detach-keys", "z", "box");
    await started.expect(/# /);
    started.type("z");
    await started.exit;
    expect(await running("box")).toBe(true);
  });

  typed("of exec leave the exec running", async () => {
    await daemon.dockerOk("run", "-d", "--name", "box", "busybox", "sleep", "1000");
    const shell = terminal("exec", "-it", "--detach-keys", "ctrl-e", "box", "sh", "-c", "echo up; sleep 4321");
    await shell.expect(/up/);
    shell.type("\x05");
    await shell.exit;
    expect(await daemon.dockerOk("top", "box", "-o", "args")).toContain("sleep 4321");
  });
});

describe("input", () => {
  it("that ends leaves the output open, for attach, run and exec", async () => {
    const script = "cat > /in; echo $(wc -c < /in) after the end; echo err >&2";
    expect(await daemon.docker(["run", "--rm", "-i", "busybox", "sh", "-c", script], { input: "12345" })).toEqual({ code: 0, stdout: "5 after the end\n", stderr: "err\n" });
    await daemon.dockerOk("run", "-d", "--name", "box", "busybox", "sleep", "1000");
    expect(await daemon.docker(["exec", "-i", "box", "sh", "-c", script], { input: "1234567" })).toEqual({ code: 0, stdout: "7 after the end\n", stderr: "err\n" });
    await daemon.dockerOk("create", "-i", "--name", "late", "busybox", "sh", "-c", script);
    expect(await daemon.docker(["start", "-ai", "late"], { input: "123" })).toEqual({ code: 0, stdout: "3 after the end\n", stderr: "err\n" });
  });

  it("of one that nobody attaches to stays open; without -i there is none", async () => {
    await daemon.dockerOk("run", "-di", "--name", "open", "busybox", "cat");
    expect(await daemon.docker(["run", "--rm", "busybox", "cat"])).toEqual({ code: 0, stdout: "", stderr: "" });
    expect(await running("open")).toBe(true);
    const attached = daemon.dockerStart("attach", "open");
    attached.child.stdin?.write("said\n");
    await attached.waitFor(/said/);
    attached.kill("SIGKILL");
    await attached.exit;
    expect(await running("open")).toBe(true);
  });
});

describe("several at once", () => {
  it("attached all get everything; one that leaves takes nothing from the others", async () => {
    await daemon.dockerOk("create", "-i", "--name", "box", "busybox", "sh", "-c", "while read line; do echo got $line; done; echo bye");
    const others = [1, 2, 3].map(() => daemon.dockerStart("attach", "--no-stdin", "box"));
    const first = daemon.dockerStart("start", "-ai", "box");
    first.child.stdin?.write("one\n");
    await first.waitFor(/got one/);
    // Those who came before the start may have been told that it does not run.
    for (const other of others) other.kill("SIGKILL");
    await Promise.all(others.map((other) => other.exit));
    const watchers = [1, 2, 3].map(() => daemon.dockerStart("attach", "--no-stdin", "box"));
    await until(async () => {
      first.child.stdin?.write("again\n");
      await sleep(50);
      return watchers.every((watcher) => watcher.output.includes("got again")) ? true : undefined;
    }, 20_000, "all to be attached");
    watchers[0]!.kill("SIGKILL");
    first.child.stdin?.write("two\n");
    for (const watcher of [first, ...watchers.slice(1)]) await watcher.waitFor(/got two/);
    first.child.stdin?.end();
    for (const watcher of [first, ...watchers.slice(1)]) {
      await watcher.waitFor(/bye/);
      expect(await watcher.exit).toBe(0);
    }
  });

  typed("a terminal is one for all, and is resized by any; so is an exec's", async () => {
    const shell = terminal("run", "-it", "--name", "box", "busybox", "sh");
    await shell.expect(/# /);
    const second = terminal("attach", "box");
    await sleep(300);
    second.type("echo from-$((1+1))\r");
    await shell.expect(/from-2/);
    await second.expect(/from-2/);
    expect((await daemon.api("POST", "/containers/box/resize", { query: { h: 31, w: 91 } })).status).toBe(200);
    shell.type("stty size\r");
    await second.expect(/31 91/);
    const { json: { Id } } = await daemon.api("POST", "/containers/box/exec", { json: { Cmd: ["sh"], Tty: true, AttachStdin: true, AttachStdout: true } });
    const client = connect(daemon.socket);
    let seen = "";
    client.on("data", (part) => { seen += part.toString(); });
    client.write(`POST /exec/${Id}/start HTTP/1.1\r\nHost: d\r\nConnection: Upgrade\r\nUpgrade: tcp\r\nContent-Type: application/json\r\nContent-Length: 27\r\n\r\n{"Detach":false,"Tty":true}`);
    await until(() => (/101 UPGRADED[^]*# /.test(seen) ? true : undefined), 20_000, "a prompt");
    expect((await daemon.api("POST", `/exec/${Id}/resize`, { query: { h: 17, w: 71 } })).status).toBe(200);
    client.write("stty size\r");
    await until(() => (seen.includes("17 71") ? true : undefined), 20_000, () => `the size in ${seen}`);
    client.destroy();
    shell.type("exit\r");
    await Promise.all([shell.exit, second.exit]);
  });
});

describe("attach/ws", () => {
  const socketTo = (name: string, query: string): WebSocket => new WebSocket(`ws+unix://${daemon.socket}:/containers/${name}/attach/ws?${query}`);
  const textOf = (socket: WebSocket): { text: string } => {
    const seen = { text: "" };
    socket.on("message", (data: Buffer) => { seen.text += data.toString(); });
    return seen;
  };

  it("carries input and output as they are, and closes at the end", async () => {
    await daemon.dockerOk("run", "-di", "--name", "box", "busybox", "sh", "-c", "while read line; do echo got $line; [ $line = end ] && exit; done");
    const socket = socketTo("box", "stdin=1&stdout=1&stderr=1&stream=1"), seen = textOf(socket);
    await new Promise((resolve, reject) => socket.once("open", resolve).once("error", reject));
    socket.send("hello\n");
    await until(() => (seen.text === "got hello\n" ? true : undefined), 20_000, () => `an answer, not ${seen.text}`);
    const closed = new Promise((resolve) => socket.once("close", resolve));
    socket.send(Buffer.from("end\n"));
    await closed;
    expect(seen.text).toBe("got hello\ngot end\n");
  });

  it("replays with logs=1, and refuses as any other request", async () => {
    await daemon.dockerOk("run", "-d", "--name", "box", "busybox", "sh", "-c", "echo before; sleep 1000");
    await until(async () => ((await daemon.dockerOk("logs", "box")) === "before" ? true : undefined), 20_000, "its output");
    const socket = socketTo("box", "logs=1&stdout=1&stream=1"), seen = textOf(socket);
    await until(() => (seen.text === "before\n" ? true : undefined), 20_000, () => `the log, not ${seen.text}`);
    socket.terminate();
    const refused = await new Promise<number | undefined>((resolve) => socketTo("nobody", "stdout=1").once("unexpected-response", (_, response) => { response.resume(); resolve(response.statusCode); }).once("error", () => undefined));
    expect(refused).toBe(404);
  });
});

describe("under load", () => {
  it("clients that vanish leave nothing behind that runs hot, and no descriptor", async () => {
    await daemon.dockerOk("run", "-d", "--name", "loud", "busybox", "sh", "-c", "while :; do echo line; usleep 1000; done");
    await daemon.dockerOk("run", "-di", "--name", "quiet", "busybox", "cat");
    const sockets = (): number => readdirSync(`/proc/${daemon.pid}/fd`).length;
    const ticks = (): number => { const fields = readFileSync(`/proc/${daemon.pid}/stat`, "latin1").replace(/^.*\) /s, "").split(" "); return Number(fields[11]) + Number(fields[12]); };
    await daemon.dockerOk("logs", "--tail", "1", "loud");
    const before = sockets();
    const clients = [["attach", "loud"], ["attach", "quiet"], ["logs", "-f", "loud"], ["logs", "-f", "quiet"], ["stats", "loud"], ["events"], ["wait", "quiet"], ["exec", "-i", "quiet", "cat"], ["exec", "loud", "sleep", "5"]].map((args) => daemon.dockerStart(...args));
    const half = await open(daemon.socket, "POST", "/containers/loud/attach", { query: { stream: 1, stdout: 1 } });
    await until(() => (sockets() > before + 8 ? true : undefined), 20_000, "clients");
    await clients[0]!.waitFor(/line/);
    for (const client of clients) client.kill("SIGKILL");
    half.destroy();
    await Promise.all(clients.map((client) => client.exit));
    await daemon.dockerOk("rm", "-f", "loud");
    await until(() => (sockets() <= before ? true : undefined), 30_000, () => `descriptors as before: ${sockets()} are not ${before}`);
    const from = ticks();
    await sleep(1500);
    // Of 150 that a busy thread would take.
    expect(ticks() - from).toBeLessThan(60);
    expect(await running("quiet")).toBe(true);
  }, 90_000);

  it("a million lines: none is lost, others are served meanwhile, and the log stays within its bounds", async () => {
    const lines = 1_000_000;
    const reading = daemon.docker(["run", "--name", "many", "busybox", "seq", String(lines)], { timeoutMs: 80_000 });
    let over = false, served = 0;
    void reading.then(() => { over = true; });
    while (!over) {
      const answers = await Promise.all([daemon.api("GET", "/_ping"), daemon.api("GET", "/containers/json", { query: { all: 1 } })]);
      expect(answers.map(({ status }) => status)).toEqual([200, 200]);
      served++;
    }
    const { code, stdout } = await reading;
    expect({ code, length: stdout.length, end: stdout.slice(-16) }).toEqual({ code: 0, length: 6_888_896, end: "\n999999\n1000000\n" });
    expect(served).toBeGreaterThan(3);
    expect(await daemon.dockerOk("logs", "--tail", "2", "many")).toBe("999999\n1000000");
    const { LogPath } = await daemon.inspect("many");
    const folder = LogPath.slice(0, LogPath.lastIndexOf("/"));
    expect(readFileSync(LogPath).length).toBeLessThan(11 << 20);
    expect(readdirSync(folder).filter((name) => name.includes("-json.log")).length).toBeLessThanOrEqual(3);
  }, 90_000);

  it("a client that does not read holds only its container back", async () => {
    const stuck = await open(daemon.socket, "POST", "/containers/create", { json: { Image: "busybox", Cmd: ["sh", "-c", "seq 800000; echo done"] }, query: { name: "stuck" } });
    stuck.resume();
    await until(async () => ((await daemon.api("GET", "/containers/stuck/json")).status === 200 ? true : undefined), 20_000, "the container");
    const client = connect(daemon.socket);
    client.write("POST /containers/stuck/attach?stream=1&stdout=1 HTTP/1.1\r\nHost: d\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n");
    await new Promise<void>((resolve) => client.once("data", () => { client.pause(); resolve(); }));
    await daemon.dockerOk("start", "stuck");
    expect(await daemon.dockerOk("run", "--rm", "busybox", "echo", "other")).toBe("other");
    expect(await running("stuck")).toBe(true);
    client.destroy();
    expect(await daemon.dockerOk("wait", "stuck")).toBe("0");
    expect(await daemon.dockerOk("logs", "--tail", "1", "stuck")).toBe("done");
  }, 90_000);
});
