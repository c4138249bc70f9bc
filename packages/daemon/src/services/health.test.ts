import { Capture } from "./capture.js";
import { checkHealthConfig, healthPlan, HealthRecord } from "./health.js";

const SECOND = 1e9;
const result = (exitCode: number, start = 0): { start: number; end: number; exitCode: number; output: string } => ({ start, end: start + 1, exitCode, output: "" });

describe("the plan of checks", () => {
  test("has Docker's defaults", () => {
    expect(healthPlan({ Test: ["CMD-SHELL", "true"] }, null)).toEqual({ command: ["/bin/sh", "-c", "true"], interval: 30_000, timeout: 30_000, startPeriod: 0, startInterval: 5000, retries: 3 });
  });
  test("takes a command as it is, a shell's line, the image's shell", () => {
    expect(healthPlan({ Test: ["CMD", "a", "b c"], Interval: SECOND, Timeout: 2 * SECOND, StartPeriod: 3 * SECOND, StartInterval: SECOND / 2, Retries: 7 }, null))
      .toEqual({ command: ["a", "b c"], interval: 1000, timeout: 2000, startPeriod: 3000, startInterval: 500, retries: 7 });
    expect(healthPlan({ Test: ["CMD-SHELL", "echo a && echo b"] }, ["/bin/bash", "-ec"])?.command).toEqual(["/bin/bash", "-ec", "echo a && echo b"]);
  });
  test.each([[undefined], [null], [{}], [{ Test: [] }], [{ Test: ["NONE"] }], [{ Test: ["WAT", "true"] }], [{ Test: ["CMD"] }]])("is none for %j", (config) => {
    expect(healthPlan(config, null)).toBeNull();
  });
  test("refuses times below a millisecond and negative retries", () => {
    for (const key of ["Interval", "Timeout", "StartPeriod", "StartInterval"]) expect(() => checkHealthConfig({ [key]: 999_999 })).toThrow(`${key} in Healthcheck cannot be less than 1ms`);
    expect(() => checkHealthConfig({ Retries: -1 })).toThrow("Retries in Healthcheck cannot be negative");
    expect(() => checkHealthConfig({ Interval: 0, Retries: 0 })).not.toThrow();
  });
});

describe("what checks found", () => {
  const rule = { retries: 2, early: false };
  test("as many failures in a row as are allowed make it unhealthy, one success healthy", () => {
    const health = new HealthRecord();
    expect([health.take(result(1), rule), health.status, health.failingStreak]).toEqual([false, "starting", 1]);
    expect([health.take(result(1), rule), health.status, health.failingStreak]).toEqual([true, "unhealthy", 2]);
    expect([health.take(result(1), rule), health.failingStreak]).toEqual([false, 3]);
    expect([health.take(result(0), rule), health.status, health.failingStreak]).toEqual([true, "healthy", 0]);
    expect([health.take(result(1), rule), health.status, health.take(result(0), rule), health.failingStreak]).toEqual([false, "healthy", false, 0]);
  });
  test("failures of the start period do not count, a success ends it", () => {
    const health = new HealthRecord(), early = { retries: 1, early: true };
    expect([health.take(result(1), early), health.status, health.failingStreak]).toEqual([false, "starting", 0]);
    expect(health.take(result(0), early)).toBe(true);
    expect([health.take(result(1), early), health.status]).toEqual([true, "unhealthy"]);
  });
  test("the last five results stay, over runs", () => {
    const health = new HealthRecord();
    for (let i = 0; i < 7; i++) health.take(result(1, i), rule);
    health.begin();
    expect([health.status, health.failingStreak, health.log.map((r) => r.start)]).toEqual(["starting", 0, [2, 3, 4, 5, 6]]);
    health.end();
    expect(health.status).toBe("unhealthy");
  });
});

test("output is cut at its limit, and says so", () => {
  const client = new Capture(5);
  client.write("stdout", Buffer.from("abc"));
  client.write("stderr", Buffer.from("de"));
  expect(client.text).toBe("abcde");
  client.write("stdout", Buffer.from("f"));
  expect(client.text).toBe("abcde...");
});
