import { parseFilters, parseInstant, parseTime } from "./filters.js";

const NOW = 1_700_000_000_000;

test.each<[string, string]>([
  ["1700000000.123456789", "2023-11-14T22:13:20.123456789Z"], ["1700000000", "2023-11-14T22:13:20.000000000Z"], ["0", "1970-01-01T00:00:00.000000000Z"], ["1700000000.5", "2023-11-14T22:13:20.500000000Z"],
  ["2023-11-14T23:13:20.000000001+01:00", "2023-11-14T22:13:20.000000001Z"], ["2023-11-14T22:13:20Z", "2023-11-14T22:13:20.000000000Z"], ["2023-11-14", "2023-11-14T00:00:00.000000000Z"],
  ["1h30m", "2023-11-14T20:43:20.000000000Z"], ["1.5s", "2023-11-14T22:13:18.500000000Z"],
])("%s is %s", (text, instant) => expect(parseInstant(text, "since", NOW)).toBe(instant));

test("nothing is nothing, nonsense is refused", () => {
  expect([parseTime(undefined, "since", NOW), parseInstant("", "since", NOW)]).toEqual([undefined, undefined]);
  for (const text of ["soon", "1x", "12:00", "--1"]) expect(() => parseTime(text, "since", NOW)).toThrow(`invalid value for "since": "${text}"`);
});

test("filters of any shape that clients send", () => {
  expect([...parseFilters('{"a":["1","2"],"b":{"x":true,"y":false}}')]).toEqual([["a", ["1", "2"]], ["b", ["x", "y"]]]);
  expect(parseFilters(undefined).size + parseFilters("").size + parseFilters("null").size + parseFilters("{}").size).toBe(0);
  for (const text of ["[", "[]", '"x"', '{"a":"b"}', '{"a":[1]}']) expect(() => parseFilters(text)).toThrow("invalid filters");
});
