import { RecordParser, utcNano } from "./records.js";

const line = (time: string, stream: string, tag: string, text: string) => `${time} ${stream} ${tag} ${text}\n`;
const T = "2026-03-04T05:06:07.123456789+00:00";

describe("RecordParser", () => {
  test("whole lines keep their newline, parts do not", () => {
    const records = new RecordParser().push(Buffer.from(line(T, "stdout", "F", "a b") + line(T, "stderr", "P", "half") + line(T, "stderr", "F", "")));
    expect(records.map((r) => [r.stream, r.data.toString(), r.partial])).toEqual([["stdout", "a b\n", false], ["stderr", "half", true], ["stderr", "\n", false]]);
    expect(records[0]!.time).toBe("2026-03-04T05:06:07.123456789Z");
  });

  test("any cut of the stream gives the same records", () => {
    const stream = Buffer.from(line(T, "stdout", "F", "eins") + line(T, "stderr", "P", "zwei ") + line(T, "stdout", "F", "drei"));
    for (let cut = 0; cut <= stream.length; cut++) {
      const parser = new RecordParser();
      const records = [...parser.push(stream.subarray(0, cut)), ...parser.push(stream.subarray(cut))];
      expect(records.map((r) => r.data.toString())).toEqual(["eins\n", "zwei ", "drei\n"]);
    }
  });

  test("a line that a killed monitor left short is dropped", () => {
    const records = new RecordParser().push(Buffer.from(`2026-03-04T05\n${line(T, "stdout", "F", "ok")}`));
    expect(records.map((r) => r.data.toString())).toEqual(["ok\n"]);
  });
});

test("times of any zone become UTC with the same fraction", () => {
  expect(utcNano("2026-03-04T01:06:07.000000009-05:30")).toBe("2026-03-04T06:36:07.000000009Z");
  expect(utcNano("2026-01-01T00:30:00.500000000+01:00")).toBe("2025-12-31T23:30:00.500000000Z");
});
