import { join, resolve } from "node:path";
import { type Daemon, Pty, type Registry, type Result, type TestBed, daemonNeeds, needs, ok, run, setUp, sleep } from "../helpers/index.js";

const it = needs(...daemonNeeds, "docker");
const withTerminal = needs(...daemonNeeds, "docker", "pty");
const withRegistry = needs(...daemonNeeds, "docker", "registry");
const program = resolve(__dirname, "../../../packages/cli/bin/strata.js");

let bed: TestBed, daemon: Daemon;
setUp(async (made) => {
  bed = made;
  daemon = await bed.daemonWithBusybox();
});

const env = (): NodeJS.ProcessEnv => ({ ...daemon.env(), STRATA_HOST: `unix://${daemon.socket}` });
const strata = (args: readonly string[], input?: string): Promise<Result> => run(process.execPath, [program, ...args], { env: env(), ...(input === undefined ? {} : { input }) });
const strataOk = (...args: string[]): Promise<string> => ok(process.execPath, [program, ...args], { env: env() });

describe("strata says what docker says", () => {
  it("in its lists and inspections", async () => {
    await daemon.dockerOk("run", "-d", "--name", "long", "--label", "a=b", "-v", "data:/data", "-p", "127.0.0.1:8123:80", "busybox", "sleep", "1000");
    await daemon.docker(["run", "--name", "short", "busybox", "sh", "-c", "echo said; echo complained >&2; exit 3"]);
    // Lists are sorted by whole seconds.
    await sleep(1_100);
    await daemon.dockerOk("commit", "-m", "a comment", "short", "made:1");
    const commands = [
      ["images", "--no-trunc", "--format", "table {{.ID}}\t{{.Tag}}\t{{.Size}}"], ["images", "--format", "{{.ID}} {{.Repository}}:{{.Tag}} {{.Size}}"], ["images", "-q"], ["images", "--format", "table {{.Repository}}\t{{.Tag}}"],
      ["ps", "-a", "--no-trunc", "--format", "{{.ID}} {{.Image}} {{.Command}} {{.Names}} {{.Ports}} {{.Labels}} {{.Mounts}}"], ["ps", "-aq", "--filter", "status=exited"], ["ps", "--format", "table {{.Names}}\t{{.Image}}"],
      ["inspect", "long"], ["inspect", "-f", "{{.State.Running}} {{json .Config.Labels}} {{range .Mounts}}{{.Destination}}{{end}}", "long"], ["inspect", "-f", "{{index .RepoTags 0}}", "made:1"],
      ["history", "--no-trunc", "--format", "{{.ID}} {{.CreatedBy}} {{.Size}} {{.Comment}}", "made:1"], ["volume", "ls"], ["volume", "inspect", "data"], ["network", "ls", "--format", "{{.Name}} {{.Driver}} {{.Scope}}"],
      ["port", "long"], ["logs", "short"], ["diff", "short"], ["info", "--format", "{{.Driver}} {{.DockerRootDir}}"], ["top", "long", "-o", "args"],
    ];
    for (const command of commands) expect({ command, result: await strata(command) }).toEqual({ command, result: await daemon.docker(command) });
  }, 120_000);

  it("in its exit codes and errors", async () => {
    const codes: [string[], number][] = [
      [["run", "--rm", "busybox", "true"], 0], [["run", "--rm", "busybox", "sh", "-c", "exit 42"], 42], [["run", "--rm", "busybox", "no-such-command"], 127], [["run", "--rm", "busybox", "/etc"], 126],
      [["run", "--rm", "no-such-image-anywhere.invalid/x", "true"], 125], [["exec", "long", "sh", "-c", "exit 9"], 9], [["rm", "nope"], 1], [["inspect", "nope"], 1],
    ];
    for (const [command, code] of codes) expect({ command, code: (await strata(command)).code }).toEqual({ command, code });
    expect((await strata(["rm", "nope"])).stderr).toMatch(/No such container: nope/);
  }, 120_000);
});

describe("strata", () => {
  it("runs with stdin, environment, volumes and limits", async () => {
    expect(await strata(["run", "--rm", "-i", "busybox", "wc", "-c"], "x".repeat(100_000))).toEqual({ code: 0, stdout: "100000\n", stderr: "" });
    expect(await strataOk("run", "--rm", "-e", "A=1", "-u", "1000", "-w", "/tmp", "-v", "data:/d", "--network", "none", "busybox", "sh", "-c", "echo $A; id -u; pwd; ls -d /d")).toBe("1\n1000\n/tmp\n/d");
    const id = await strataOk("run", "-d", "--name", "mine", "busybox", "sleep", "100");
    expect(id).toMatch(/^[0-9a-f]{64}$/);
    expect(await strataOk("exec", "mine", "echo", "in")).toBe("in");
    expect(await strataOk("stop", "-t", "0", "mine")).toBe("mine");
    expect(await strataOk("wait", "mine")).toBe("137");
    expect(await strataOk("rm", "mine")).toBe("mine");
  });

  it("makes networks with docker's flags", async () => {
    await strataOk("network", "create", "--config-only", "--subnet", "10.99.0.0/24", "settings");
    await strataOk("network", "create", "--config-from", "settings", "--scope", "local", "made");
    expect(await daemon.inspect("made", "network")).toMatchObject({ ConfigFrom: { Network: "settings" }, IPAM: { Config: [{ Subnet: "10.99.0.0/24", Gateway: "10.99.0.1" }] } });
    expect((await strata(["network", "create", "--ingress", "mesh"])).stderr).toContain("Ingress network can only be global scope");
    for (const name of ["made", "settings"]) expect(await strataOk("network", "rm", name)).toBe(name);
  });

  withTerminal("gives a terminal", async () => {
    const shell = new Pty([process.execPath, program, "run", "-it", "--rm", "busybox", "sh"], env());
    await shell.expect(/# /);
    await sleep(100);
    shell.type("stty size\r");
    await shell.expect(/40 120/);
    shell.type("exit 5\r");
    expect(await shell.exit).toBe(5);
  });

  withRegistry("pulls and pushes with progress, saves and loads", async () => {
    const registry: Registry = await bed.registry();
    await strataOk("tag", "busybox", registry.name("box:1"));
    expect(await strataOk("push", registry.name("box:1"))).toMatch(/digest: sha256:[0-9a-f]{64} size: \d+/);
    await strataOk("rmi", registry.name("box:1"));
    expect(await strataOk("pull", registry.name("box:1"))).toMatch(/Status: Downloaded newer image for /);
    await strataOk("save", "-o", bed.path("box.tar"), registry.name("box:1"));
    await strataOk("rmi", registry.name("box:1"));
    expect(await strataOk("load", "-i", bed.path("box.tar"))).toBe(`Loaded image: ${registry.name("box:1")}`);
  });

  it("is the client that the README shows", async () => {
    const client = join(resolve(__dirname, "../../../packages/client"));
    const script = `
      const { connect } = require(${JSON.stringify(client)});
      (async () => {
        const strata = connect();
        const { exitCode, stdout } = await strata.containers.run({ Image: "busybox:latest", Cmd: ["echo", "hello"] });
        console.log(exitCode, stdout);
      })();`;
    expect((await ok(process.execPath, ["-e", script], { env: env() })).trim()).toBe("0 hello");
  });
});
