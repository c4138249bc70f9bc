import { InvalidArgument } from "../core/index.js";
import type { Exec, ExecService } from "../services/types.js";
import { created, empty, ok, type Routes } from "./context.js";
import type { components } from "./generated/openapi.js";
import { runSession } from "./hijack.js";

/** Rows and columns; `[0, 0]` and anything else means "not given". */
function consoleSize(size: number[] | null | undefined): readonly [number, number] | undefined {
  return size?.length === 2 && size[0]! > 0 && size[1]! > 0 ? [size[0]!, size[1]!] : undefined;
}

function encodeExec(exec: Exec): components["schemas"]["ExecInspect"] {
  const { spec } = exec;
  return {
    ID: exec.id, Running: exec.running, ExitCode: exec.exitCode,
    ProcessConfig: { tty: spec.tty, entrypoint: spec.cmd[0] ?? "", arguments: spec.cmd.slice(1), privileged: spec.privileged, ...(spec.user ? { user: spec.user } : {}) },
    OpenStdin: spec.attachStdin, OpenStderr: spec.attachStderr, OpenStdout: spec.attachStdout,
    CanRemove: !exec.running && exec.exitCode !== null, ContainerID: exec.container, DetachKeys: spec.detachKeys ?? "", Pid: exec.pid,
  };
}

export function execRoutes(exec: ExecService): Pick<Routes, Extract<keyof Routes, `exec${string}`>> {
  return {
    async execCreate({ path, body }) {
      const cmd = typeof body.Cmd === "string" ? [body.Cmd] : body.Cmd ?? [];
      if (cmd.length === 0) throw new InvalidArgument("No exec command specified");
      const size = consoleSize(body.ConsoleSize);
      const id = await exec.create(path.id, {
        cmd, tty: body.Tty ?? false, attachStdin: body.AttachStdin ?? false, attachStdout: body.AttachStdout ?? false, attachStderr: body.AttachStderr ?? false,
        env: body.Env ?? [], user: body.User ?? "", workingDir: body.WorkingDir ?? "", privileged: body.Privileged ?? false,
        ...(body.DetachKeys ? { detachKeys: body.DetachKeys } : {}), ...(size === undefined ? {} : { consoleSize: size }),
      });
      return created({ Id: id });
    },
    async execStart(c) {
      const { spec } = exec.inspect(c.path.id);
      const size = consoleSize(c.body?.ConsoleSize);
      const options = { tty: spec.tty, ...(size === undefined ? {} : { consoleSize: size }) };
      if (c.body?.Detach) {
        await exec.start(c.path.id, options, null);
        return empty(200);
      }
      // Whether the output comes in frames is for who starts it to say: a terminal may come in frames.
      await runSession(c, { raw: c.body?.Tty ?? false, stdin: spec.attachStdin }, (client) => exec.start(c.path.id, options, client));
      return undefined;
    },
    execInspect: ({ path }) => ok(encodeExec(exec.inspect(path.id))),
    async execResize({ path, query }) {
      await exec.resize(path.id, query.h ?? 0, query.w ?? 0);
      return empty(200);
    },
  };
}
