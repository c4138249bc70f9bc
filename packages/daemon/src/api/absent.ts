import { NotImplemented, Unavailable, type StrataError } from "../core/index.js";

const NO_MANAGER = 'This node is not a swarm manager. Use "docker swarm init" or "docker swarm join" to connect this node to swarm and try again.';

/** Swarms are no part of this daemon: it answers about them as one does that is in none, and joins none. Undefined for other paths. */
export function swarmRefusal(path: string): StrataError | undefined {
  if (/^\/swarm\/(init|join)$/.test(path)) return new NotImplemented("swarm mode is not supported");
  if (path === "/swarm/leave") return new Unavailable("This node is not part of a swarm");
  return /^\/(swarm|services|tasks|nodes|secrets|configs)(\/|$)/.test(path) ? new Unavailable(NO_MANAGER) : undefined;
}
