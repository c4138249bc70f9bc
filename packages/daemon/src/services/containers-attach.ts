import { Conflict, type Container, type LogQuery } from "../core/index.js";
import type { HubSession } from "./containers-hub.js";
import type { Launcher } from "./containers-launch.js";
import type { LiveContainers } from "./containers-live.js";
import { emitContainer, isLive, type ContainerParts } from "./containers-parts.js";
import { parseDetachKeys } from "./detach-keys.js";
import { pumpInput } from "./sessions-input.js";
import type { AttachClient, AttachOptions, LogLine, LogsOptions } from "./types.js";

/** What containers say, and said, to whom. */
export class Listening {
  constructor(private readonly parts: ContainerParts, private readonly live: LiveContainers, private readonly launcher: Launcher) {}

  async attach(container: Container, options: AttachOptions, client: AttachClient): Promise<void> {
    const { id, state, config } = container;
    if (state.status === "paused") throw new Conflict(`container ${id} is paused, unpause the container before attach`);
    if (state.status === "restarting") throw new Conflict(`container ${id} is restarting, wait until the container is running`);
    const detachKeys = parseDetachKeys(options.detachKeys);
    const { hub } = this.live.of(id);
    // Joined before anything is awaited: a start that follows is not missed.
    const fromLog = options.logs && (options.stdout || options.stderr);
    const live = !fromLog || !isLive(container);
    const session = options.stream ? hub.join(client, { stdout: options.stdout && live, stderr: options.stderr && live }) : null;
    emitContainer(this.parts, container, "attach");
    if (session !== null && options.stdin && config.OpenStdin === true) {
      void pumpInput(session, { process: hub.process, detachKeys: config.Tty === true ? detachKeys : null, closes: config.StdinOnce === true && config.Tty !== true });
    }
    if (fromLog) await this.replay(container, options, client, session);
    else await session?.over;
    if (session !== null && (await session.over) === "detached") emitContainer(this.parts, container, "detach");
  }

  logs(container: Container, options: LogsOptions, signal: AbortSignal): AsyncIterable<readonly LogLine[]> {
    const driver = this.launcher.logDriverOf(container);
    return driver.read(this.launcher.logFile(container), { ...options, follow: options.follow && isLive(container) }, signal);
  }

  /** Old output and new from the log, so that there is neither gap nor overlap. */
  private async replay(container: Container, options: AttachOptions, client: AttachClient, session: HubSession | null): Promise<void> {
    const controller = new AbortController();
    void client.closed.then(() => controller.abort());
    void session?.over.then((end) => { if (end !== "ended") controller.abort(); });
    const query: LogQuery = { stdout: options.stdout, stderr: options.stderr, follow: session !== null && isLive(container) };
    const driver = this.launcher.logDriverOf(container);
    for await (const batch of driver.read(this.launcher.logFile(container), query, controller.signal)) {
      let room = true;
      for (const { stream, data } of batch) room = client.write(stream, data) && room;
      if (!room) await Promise.race([client.drained(), client.closed]);
    }
  }
}

