import type { RunConfig } from "@strata/oci";
import { InvalidArgument } from "../core/index.js";
import { applyChanges } from "./config-changes.js";

const base: RunConfig = { Env: ["PATH=/bin", "A=1"], Cmd: ["old"], WorkingDir: "/srv", Labels: { keep: "yes" } };

test.each<[string, Partial<RunConfig>]>([
  ['CMD ["a", "b c"]', { Cmd: ["a", "b c"] }],
  ["CMD echo  hi", { Cmd: ["/bin/sh", "-c", "echo  hi"] }],
  ["CMD [not json", { Cmd: ["/bin/sh", "-c", "[not json"] }],
  ['ENTRYPOINT ["/init"]', { Entrypoint: ["/init"], Cmd: null }],
  ["entrypoint run me", { Entrypoint: ["/bin/sh", "-c", "run me"], Cmd: null }],
  ["ENTRYPOINT []", { Entrypoint: null, Cmd: null }],
  ["ENV PATH=$PATH:/x B=\"two words\" C='$A' D=\\$A", { Env: ["PATH=/bin:/x", "A=1", "B=two words", "C=$A", "D=$A"] }],
  ["ENV A the   rest", { Env: ["PATH=/bin", "A=the   rest"] }],
  ["ENV A=${A:+set} B=${NONE:-no\\}ne} C=${NONE}", { Env: ["PATH=/bin", "A=set", "B=no}ne", "C="] }],
  ["LABEL a=b \"c d\"=\"e f\"", { Labels: { keep: "yes", a: "b", "c d": "e f" } }],
  ["EXPOSE 80 53/UDP 8000-8002", { ExposedPorts: { "80/tcp": {}, "53/udp": {}, "8000/tcp": {}, "8001/tcp": {}, "8002/tcp": {} } }],
  ["USER web:web", { User: "web:web" }],
  ['VOLUME ["/a b", "/c"]', { Volumes: { "/a b": {}, "/c": {} } }],
  ["VOLUME /x /y", { Volumes: { "/x": {}, "/y": {} } }],
  ["WORKDIR sub/../dir", { WorkingDir: "/srv/dir" }],
  ["WORKDIR /abs", { WorkingDir: "/abs" }],
  ["ONBUILD RUN make all", { OnBuild: ["RUN make all"] }],
  ["STOPSIGNAL SIGRTMIN+3", { StopSignal: "SIGRTMIN+3" }],
  ["HEALTHCHECK NONE", { Healthcheck: { Test: ["NONE"] } }],
  ["HEALTHCHECK --interval=1m30s --timeout=3s --start-period=500ms --retries=3 CMD curl -f x || exit 1",
    { Healthcheck: { Test: ["CMD-SHELL", "curl -f x || exit 1"], Interval: 90e9, Timeout: 3e9, StartPeriod: 5e8, Retries: 3 } }],
  ['HEALTHCHECK CMD ["/check"]', { Healthcheck: { Test: ["CMD", "/check"] } }],
])("%s", (change, expected) => {
  const before = structuredClone(base);
  expect(applyChanges(base, [change])).toEqual({ ...base, ...expected });
  expect(base).toEqual(before);
});

test("changes apply in order; an ENTRYPOINT after a CMD leaves it", () => {
  expect(applyChanges({}, ["CMD [\"x\"]", "ENTRYPOINT [\"y\"]", "ENV A=1", "ENV B=${A}2"])).toEqual({ Cmd: ["x"], Entrypoint: ["y"], Env: ["A=1", "B=12"] });
  expect(applyChanges(base, [])).toBe(base);
  expect(applyChanges({ Shell: ["/bin/bash", "-c"] }, ["CMD hi"]).Cmd).toEqual(["/bin/bash", "-c", "hi"]);
});

test.each<[string, RegExp]>([
  ["RUN make", /^RUN is not a valid change command/],
  ["FROM x", /FROM is not a valid change command/],
  ["nonsense", /NONSENSE is not a valid change command/],
  ["ENV", /ENV requires at least one argument/],
  ["ENV A", /ENV must have two arguments/],
  ["ENV A=1 B", /can't find = in "B"/],
  ["ENV =x", /names can not be blank/],
  ["ENV A=\"open", /double-quote/],
  ["ENV A=${B", /missing '}'/],
  ["EXPOSE nope", /invalid containerPort: nope/],
  ["EXPOSE 80/icmp", /invalid containerPort/],
  ["EXPOSE 70000", /invalid containerPort/],
  ["USER", /USER requires exactly one/],
  ["WORKDIR", /WORKDIR requires/],
  ["ONBUILD FROM x", /FROM isn't allowed as an ONBUILD trigger/],
  ["ONBUILD ONBUILD RUN x", /Chaining ONBUILD/],
  ["HEALTHCHECK RUN x", /Unknown type "RUN" in HEALTHCHECK/],
  ["HEALTHCHECK --interval=soon CMD x", /invalid duration/],
  ["HEALTHCHECK --interval=1us CMD x", /less than 1ms/],
  ["HEALTHCHECK CMD", /Missing command/],
  ["STOPSIGNAL a b", /Invalid signal: a b/],
])("refuses %s", (change, message) => {
  const attempt = (): RunConfig => applyChanges(base, [change]);
  expect(attempt).toThrow(InvalidArgument);
  expect(attempt).toThrow(message);
});
