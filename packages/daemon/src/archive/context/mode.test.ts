import { changedMode, parseMode } from "./mode.js";

/** The mode in octal digits after a change. */
const after = (text: string, mode: number, directory = false): string => changedMode(parseMode(text)!, mode, directory).toString(8);

describe("modes", () => {
  test("of digits are what they say", () => {
    expect(["0", "7", "644", "0755", "04711"].map((text) => after(text, 0o123))).toEqual(["0", "7", "644", "755", "4711"]);
  });

  test("of letters change what is there", () => {
    expect(after("+x", 0o644)).toBe("755");
    expect(after("u+x", 0o644)).toBe("744");
    expect(after("a-w", 0o666)).toBe("444");
    expect(after("go=", 0o777)).toBe("700");
    expect(after("g=u", 0o640)).toBe("660");
    expect(after("u=rwX,go=rX", 0o600)).toBe("644");
    expect(after("u=rwX,go=rX", 0o700)).toBe("755");
    expect(after("u=rwX,go=rX", 0o600, true)).toBe("755");
    expect(after("u+s,+t", 0o755)).toBe("5755");
    expect(after("u-x+w", 0o500)).toBe("600");
  });

  test("that are none", () => {
    for (const text of ["", "8", "99", "10000", "77777", "x", "z+x", "u+q", "u+x,", "rwx", "u=gr", "-1x"]) expect([text, parseMode(text)]).toEqual([text, undefined]);
  });
});
