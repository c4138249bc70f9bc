import { type LogWriter, type Output, type Process, silentLogger } from "../core/index.js";
import { Hub } from "./containers-hub.js";
import { TestClient } from "./testing/test-client.js";

const record = (text: string, stream: Output["stream"] = "stdout"): Output => ({ stream, data: Buffer.from(text), time: "", partial: false });

/** A process that says these batches and ends. */
function speaker(...batches: Output[][]): Process {
  const output = Object.assign((async function* () { for (const batch of batches) yield batch; })(), { pause() {}, resume() {} });
  return { pid: 1, output, exit: new Promise(() => undefined), write: async () => undefined, closeStdin() {}, resize: async () => undefined, kill() {} };
}
const both = { stdout: true, stderr: true };

test("every client gets what it asked for, in order; the log gets all", async () => {
  const hub = new Hub(silentLogger, "c");
  const [all, errors] = [new TestClient(), new TestClient()];
  const sessions = [hub.join(all, both), hub.join(errors, { stdout: false, stderr: true })];
  const logged: string[] = [];
  const log: LogWriter = { write: async (batch) => { logged.push(...batch.map((r) => r.data.toString())); }, close: async () => undefined };
  await hub.run(speaker([record("a"), record("b"), record("E", "stderr"), record("c")], [record("d")]), log);
  expect([all.stdout, all.stderr, errors.stdout, errors.stderr]).toEqual(["abcd", "E", "", "E"]);
  expect(logged).toEqual(["a", "b", "E", "c", "d"]);
  expect(await Promise.all(sessions.map((s) => s.over))).toEqual(["ended", "ended"]);
  expect(await hub.join(new TestClient(), both).over).toBe("ended");
});

test("a log that cannot be written does not stop the output, and is told of once", async () => {
  const told: string[] = [];
  const hub = new Hub({ ...silentLogger, error: (_context, message) => { told.push(message); } }, "c");
  const client = new TestClient();
  void hub.join(client, both);
  await hub.run(speaker([record("a")], [record("b")]), { write: () => Promise.reject(new Error("ENOSPC")), close: async () => undefined });
  expect(client.stdout).toBe("ab");
  expect(told).toEqual(["output cannot be written to the log"]);
});

test("a slow client holds the process until it has room or goes", async () => {
  const hub = new Hub(silentLogger, "c");
  const client = new TestClient();
  const session = hub.join(client, both);
  client.slow = new Promise(() => undefined);
  const running = hub.run(speaker([record("a")], [record("b")]), null);
  await new Promise((resolve) => setTimeout(resolve, 20));
  expect(client.stdout).toBe("a");
  client.leave();
  await running;
  expect(client.stdout).toBe("a");
  expect(await session.over).toBe("left");
});

test("a process that never comes ends those who wait for it", async () => {
  const hub = new Hub(silentLogger, "c");
  const session = hub.join(new TestClient(), both);
  hub.end(new Error("no such command"));
  expect(await session.over).toBe("ended");
  await expect(hub.process).rejects.toThrow("no such command");
});
