import { Conflict, type Container, InvalidArgument, NotFound } from "../core/index.js";
import type { LiveContainers } from "./containers-live.js";
import type { Mirrors } from "./containers-mirror.js";
import type { ContainerParts } from "./containers-parts.js";
import { parseLink } from "./networks-directory.js";

/** Takes links away: `web/db` is what container `web` calls `db`. */
export class Unlinker {
  constructor(private readonly parts: Pick<ContainerParts, "containers" | "networking">, private readonly live: LiveContainers, private readonly mirrors: Mirrors) {}

  async unlink(name: string): Promise<void> {
    const [, owner, alias] = /^\/?([^/]+)(?:\/([^/]+))?$/.exec(name) ?? [];
    if (owner === undefined) throw new InvalidArgument(`"${name}" does not name a link: container/alias is expected`);
    const { containers, networking } = this.parts;
    const id = containers.resolve(owner);
    if (alias === undefined) throw new Conflict("Conflict, cannot remove the default link name of the container");
    await this.live.of(id).mutex.run(async () => {
      const before = containers.get(id);
      const links = before.hostConfig.Links ?? [];
      const kept = links.filter((text) => parseLink(text).alias !== alias);
      if (kept.length === links.length) throw new NotFound(`No such container: ${name}`);
      const after: Container = { ...before, hostConfig: { ...before.hostConfig, Links: kept } };
      containers.update(after);
      this.mirrors.changed(id);
      await networking.relink(before, after);
    });
  }
}
