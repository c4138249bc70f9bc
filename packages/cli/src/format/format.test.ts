import { formatListing, mentions, type Listing } from "./listing.js";
import { alignTabs } from "./table.js";
import { ago, binarySize, ellipsis, goTime, humanDuration, humanSize, parseBytes, shortId } from "./units.js";

test.each([[0, "0B"], [999, "999B"], [1000, "1kB"], [1_982_000, "1.98MB"], [4_260_000, "4.26MB"], [123_456_789, "123MB"], [1.5e9, "1.5GB"], [2e12, "2TB"]])("humanSize %d", (bytes, text) => {
  expect(humanSize(bytes)).toBe(text);
});

test("other sizes", () => {
  expect(humanSize(1_982_345, 4)).toBe("1.982MB");
  expect(binarySize(8336_000_000)).toBe("7.764GiB");
  expect(binarySize(0)).toBe("0B");
});

test.each([["0", 0], ["512", 512], ["64m", 64 * 2 ** 20], ["1.5g", 1.5 * 2 ** 30], ["2GiB", 2 ** 31], ["1 KB", 1024], ["3tb", 3 * 2 ** 40], ["7b", 7]])("parseBytes %s", (text, bytes) => {
  expect(parseBytes(text)).toBe(bytes);
});
test.each(["", "x", "1x", "-1", "1.m", "m"])("parseBytes refuses %p", (text) => {
  expect(() => parseBytes(text)).toThrow("invalid size");
});

const S = 1000, M = 60 * S, H = 60 * M, D = 24 * H;
test.each([
  [0, "Less than a second"], [S, "1 second"], [59 * S, "59 seconds"], [M, "About a minute"], [119 * S, "About a minute"], [2 * M, "2 minutes"], [59 * M, "59 minutes"],
  [H, "About an hour"], [89 * M, "About an hour"], [90 * M, "2 hours"], [47 * H, "47 hours"], [2 * D, "2 days"], [13 * D, "13 days"], [14 * D, "2 weeks"], [59 * D, "8 weeks"],
  [60 * D, "2 months"], [729 * D, "24 months"], [730 * D, "2 years"], [1100 * D, "3 years"],
])("humanDuration %d", (milliseconds, text) => {
  expect(humanDuration(milliseconds)).toBe(text);
});

test("times, ids, cuts", () => {
  expect(ago(1000, 1_120_000)).toBe("2 minutes ago");
  expect(ago(0)).toBe("");
  expect(goTime(1_763_696_411)).toMatch(/^2025-11-2[01] \d\d:\d\d:11 [+-]\d{4} \S+$/);
  expect(shortId("sha256:0123456789abcdef")).toBe("0123456789ab");
  expect(ellipsis("abc", 3)).toBe("abc");
  expect(ellipsis("abcd", 3)).toBe("ab…");
});

test("tabs", () => {
  expect(alignTabs(["A\tBB\tC", "a longer cell\tb\tc"])).toEqual(["A               BB        C", "a longer cell   b         c"]);
  expect(alignTabs(["a\tb", "no tabs in this one", "a longer cell\tb"])).toEqual(["a         b", "no tabs in this one", "a longer cell   b"]);
});

interface Thing { id: string; n: number }
const listing: Listing<Thing> = {
  name: "Thing",
  columns: {
    ID: { header: "THING ID", value: (thing, view) => (view.noTrunc ? thing.id : thing.id.slice(0, 3)) },
    Count: { header: "COUNT", value: (thing) => String(thing.n) },
  },
  methods: { Label: (thing, key) => `${key}${thing.n}` },
};
const things = [{ id: "abcdef", n: 1 }, { id: "ghijkl", n: 22 }];
const lines = (format?: string, noTrunc = false): string[] => formatListing(listing, things, { format, defaults: ["ID", "Count"], noTrunc });

test("listings", () => {
  expect(lines()).toEqual(["THING ID   COUNT", "abc        1", "ghi        22"]);
  expect(lines("table", true)).toEqual(["THING ID   COUNT", "abcdef     1", "ghijkl     22"]);
  expect(lines("table {{.Count}}\\t{{upper .ID}}")).toEqual(["COUNT     THING ID", "1         ABC", "22        GHI"]);
  expect(lines('table {{.Label "a.b-c"}}')).toEqual(["B C", "a.b-c1", "a.b-c22"]);
  expect(lines("{{.ID}}={{.Count}}")).toEqual(["abc=1", "ghi=22"]);
  expect(lines("json")).toEqual(['{"Count":"1","ID":"abc"}', '{"Count":"22","ID":"ghi"}']);
  expect(lines("{{json .}}")).toEqual(lines("json"));
  expect(lines("{{json .ID}}")).toEqual(['"abc"', '"ghi"']);
  expect(() => lines("{{.Foo}}")).toThrow('failed to execute template: template: :1:2: executing "" at <.Foo>: can\'t evaluate field Foo in type Thing');
  expect(() => lines("{{.ID")).toThrow("failed to parse template: template: :1: unclosed action");
});

test("mentions", () => {
  expect(mentions("{{.Size}}", "Size")).toBe(true);
  expect(mentions("json", "Size")).toBe(false);
  expect(mentions("{{.SizeRw}}", "Size")).toBe(false);
  expect(mentions(undefined, "Size")).toBe(false);
});
