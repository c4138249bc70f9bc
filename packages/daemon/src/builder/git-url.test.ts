import { isGitUrl, parseGitUrl } from "./git-url.js";

test.each<[string, boolean]>([
  ["git://host/x", true], ["ssh://git@host/x", true], ["git@host:x", true], ["github.com/a/b", true], ["https://host/x.git", true], ["https://host/x.git#v1:d", true], ["HTTP://host/x.git", true],
  ["https://host/x", false], ["https://host/x.git/file", false], ["https://host/x.tar#y.git", false], ["https://host/?x.git", false], ["git", false], ["dir/x.git", false],
])("%s: by git %s", (text, git) => { expect(isGitUrl(text)).toBe(git); });

test.each([
  ["https://h/x.git", "https://h/x.git", "", ""], ["https://h/x.git#v1", "https://h/x.git", "v1", ""], ["git@h:x.git#main:a/b", "git@h:x.git", "main", "a/b"], ["git://h/x#:a:b", "git://h/x", "", "a:b"], ["github.com/a/b#c", "https://github.com/a/b", "c", ""],
])("%s", (text, url, ref, subdirectory) => { expect(parseGitUrl(text)).toEqual({ url, ref, subdirectory }); });
