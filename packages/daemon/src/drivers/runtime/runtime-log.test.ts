import { plainWords } from "./runtime-log.js";

test.each([
  ['runc create failed: unable to start container process: exec: "x": executable file not found in $PATH\n', 'runc create failed: unable to start container process: exec: "x": executable file not found in $PATH'],
  ["executable file `x` not found in $PATH: No such file or directory", 'exec: "x": executable file not found in $PATH'],
  ["executable file `/no/x` not found: No such file or directory", 'exec: "/no/x": executable file not found in $PATH'],
  ["open executable: Permission denied", "open executable: permission denied"],
  ['time="2026-01-01T00:00:00Z" level=error msg="exec failed: \\"x\\" is odd"', 'exec failed: "x" is odd'],
])("%s", (message, words) => expect(plainWords(message)).toBe(words));
