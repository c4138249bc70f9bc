import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { LogQuery, Output } from "../../core/index.js";
import { fieldsOf, journalEntry, JournaldLogs } from "./journald.js";
import { container } from "./testing/container.js";
import { DatagramListener } from "./testing/datagram-listener.js";

const record = (text: string, stream: Output["stream"] = "stdout"): Output => ({ stream, data: Buffer.from(text), time: "2026-01-01T00:00:00.000000000Z", partial: !text.endsWith("\n") });
const all: LogQuery = { follow: false, stdout: true, stderr: true };

let dir: string;
beforeEach(() => { dir = mkdtempSync(join(tmpdir(), "strata-journal-")); });
afterEach(() => rmSync(dir, { recursive: true, force: true }));

test("an entry has the message, its weight and what is known of the container", () => {
  expect(journalEntry(record("hello\n", "stderr"), { A: "b" }).toString()).toBe("MESSAGE=hello\nPRIORITY=3\nA=b\n");
  expect(journalEntry(record("half"), {}).toString()).toBe("MESSAGE=half\nPRIORITY=6\nCONTAINER_PARTIAL_MESSAGE=true\n");
  const length = Buffer.from([3, 0, 0, 0, 0, 0, 0, 0]);
  expect(journalEntry(record("x\n"), { A: "b\nc" })).toEqual(Buffer.concat([Buffer.from("MESSAGE=x\nPRIORITY=6\nA\n"), length, Buffer.from("b\nc\n")]));
  expect(fieldsOf({ tag: "{{.Name}}", labels: "colour,com.shop.tier", env: "STAGE" }, container)).toEqual({
    COLOUR: "blue", COM_SHOP_TIER: "front", STAGE: "test", CONTAINER_ID: "0123456789ab", CONTAINER_ID_FULL: container.id, CONTAINER_NAME: "box", CONTAINER_TAG: "box",
    IMAGE_NAME: "shop/web:1", SYSLOG_IDENTIFIER: "box",
  });
});

test("entries reach the journal, and can be read here", async () => {
  const path = join(dir, "socket"), file = join(dir, "cache");
  const listener = await DatagramListener.open(path);
  const logs = new JournaldLogs(path);
  const writer = await logs.open(file, {}, container);
  await writer.write([record("one\n"), record("two\n")]);
  await writer.close();
  const heard = await listener.take(2);
  listener.close();
  expect(heard.map((entry) => entry.toString().split("\n")[0])).toEqual(["MESSAGE=one", "MESSAGE=two"]);
  const kept: string[] = [];
  for await (const batch of logs.read(file, all, new AbortController().signal)) kept.push(...batch.map((r) => r.data.toString()));
  expect(kept).toEqual(["one\n", "two\n"]);
});

test("a journal that was started anew is found again", async () => {
  const path = join(dir, "socket");
  const first = await DatagramListener.open(path);
  const writer = await new JournaldLogs(path).open(join(dir, "cache"), {}, container);
  await writer.write([record("one\n")]);
  await first.take(1);
  first.close();
  rmSync(path);
  const second = await DatagramListener.open(path);
  await writer.write([record("two\n")]);
  expect((await second.take(1))[0]!.toString()).toContain("MESSAGE=two\n");
  await writer.close();
  second.close();
});

test("without a journal there is a clear no", async () => {
  const logs = new JournaldLogs(join(dir, "none"));
  logs.check({ tag: "x" });
  await expect(logs.open(join(dir, "cache"), {}, container)).rejects.toThrow("journald is not enabled on this host");
  expect(() => logs.check({ "journald-address": "x" })).toThrow("unknown log opt 'journald-address' for journald log driver");
});
