import type { Clock } from "../core/index.js";
import { InvalidArgument, messageOf } from "../core/index.js";
import type { AttachOptions, ContainerService, LogLine } from "../services/types.js";
import type { QueryOf } from "./contract.js";
import type { Routes } from "./context.js";
import { parseInstant } from "./filters.js";
import { runSession, runWebSocket, streamType } from "./hijack.js";
import { OutputWriter } from "./stdio.js";

type SessionRoutes = Pick<Routes, "containerAttach" | "containerAttachWebsocket" | "containerLogs" | "containerWait">;

function attachOptions(query: QueryOf<"containerAttach">): AttachOptions {
  return {
    stdin: query.stdin ?? false, stdout: query.stdout ?? false, stderr: query.stderr ?? false, stream: query.stream ?? false, logs: query.logs ?? false,
    ...(query.detachKeys ? { detachKeys: query.detachKeys } : {}),
  };
}

function tailOf(text: string | undefined): number | undefined {
  if (text === undefined || text === "" || text === "all") return undefined;
  const n = Number(text);
  return /^-?\d+$/.test(text) && n >= 0 ? n : undefined;
}

/** Connections that last: attach, logs, wait. */
export function sessionRoutes(containers: ContainerService, clock: Clock): SessionRoutes {
  return {
    async containerAttach(c) {
      const { id } = c.path;
      const options = attachOptions(c.query);
      await runSession(c, { raw: containers.tty(id), stdin: options.stdin && options.stream }, (client) => containers.attach(id, options, client));
      return undefined;
    },
    async containerAttachWebsocket(c) {
      const { id } = c.path;
      containers.tty(id);
      // Docker's WebSocket attach has always streamed, and given both outputs when none was named.
      const asked = attachOptions(c.query);
      const both = !asked.stdout && !asked.stderr;
      const options = { ...asked, stream: true, stdout: asked.stdout || both, stderr: asked.stderr || both };
      await runWebSocket(c, options.stdin, (client) => containers.attach(id, options, client));
      return undefined;
    },
    async containerLogs(c) {
      const { query: q, response, signal } = c;
      const stdout = q.stdout ?? false, stderr = q.stderr ?? false;
      if (!stdout && !stderr) throw new InvalidArgument("Bad parameters: you must choose at least one stream");
      const raw = containers.tty(c.path.id);
      const now = clock.now();
      const lines = await containers.logs(c.path.id, {
        stdout, stderr, follow: q.follow ?? false, tail: tailOf(q.tail), since: parseInstant(q.since, "since", now), until: parseInstant(q.until === "0" ? undefined : q.until, "until", now), // 0 is no limit, as Docker has it
      }, signal);
      response.writeHead(200, { "Content-Type": streamType(raw, c.version) });
      response.flushHeaders();
      const output = new OutputWriter(response, raw);
      const text = q.details ? detailed : (line: LogLine): Buffer => line.data;
      const stamp = q.timestamps ? stamper(text) : text;
      for await (const batch of lines) {
        let room = true;
        for (const line of batch) room = output.write(line.stream, stamp(line));
        if (!room) await output.drained();
        if (signal.aborted) return undefined;
      }
      response.end();
      return undefined;
    },
    async containerWait(c) {
      const { exit } = containers.wait(c.path.id, c.query.condition ?? "not-running", c.signal);
      c.response.writeHead(200, { "Content-Type": "application/json" });
      c.response.flushHeaders();
      let answer: { StatusCode: number; Error?: { Message: string } };
      try {
        const { code, error } = await exit;
        answer = { StatusCode: code, ...(error === undefined ? {} : { Error: { Message: error } }) };
      } catch (error) {
        if (c.signal.aborted) return undefined;
        answer = { StatusCode: -1, Error: { Message: messageOf(error) } };
      }
      c.response.end(`${JSON.stringify(answer)}\n`);
      return undefined;
    },
  };
}

/** Puts the time before the first piece of every line. */
function stamper(text: (line: LogLine) => Buffer): (line: LogLine) => Buffer {
  const open = { stdout: false, stderr: false };
  return (line) => {
    const within = open[line.stream];
    open[line.stream] = line.partial;
    return within ? line.data : Buffer.concat([Buffer.from(`${line.time} `), text(line)]);
  };
}

/** `key=value,key=value text`: what the log notes of the container, by name, encoded as in a URL. */
function detailed({ data, attributes }: LogLine): Buffer {
  const words = Object.entries(attributes ?? {}).sort(([a], [b]) => (a < b ? -1 : 1)).map((pair) => pair.map(encodeURIComponent).join("="));
  return Buffer.concat([Buffer.from(`${words.join(",")} `), data]);
}
