import { type HostConfig, InvalidArgument } from "../core/index.js";
import type { BuildService } from "../services/build-types.js";
import type { RegistryAuth } from "../services/types.js";
import { type Context, ok, type Routes } from "./context.js";
import { toRegistryAuth } from "./credentials.js";
import { parseFilters } from "./filters.js";
import { readPlatform } from "./images.js";
import { ProgressStream, uploadOf } from "./streams.js";

type Query = Context<"build">["query"];

/** JSON in a query parameter. */
function readJson<T>(name: string, text: string | undefined, fits: (value: unknown) => value is T): T | undefined {
  if (text === undefined || text === "" || text === "null") return undefined;
  let value: unknown;
  try { value = JSON.parse(text); } catch (cause) { throw new InvalidArgument(`${name} is not JSON`, { cause }); }
  if (!fits(value)) throw new InvalidArgument(`${name} has the wrong shape`);
  return value;
}
const isObject = (value: unknown): value is Record<string, unknown> => typeof value === "object" && value !== null && !Array.isArray(value);
const isTexts = (value: unknown): value is Record<string, string> => isObject(value) && Object.values(value).every((one) => typeof one === "string");
const isArgs = (value: unknown): value is Record<string, string | null> => isObject(value) && Object.values(value).every((one) => typeof one === "string" || one === null);
const isList = (value: unknown): value is string[] => Array.isArray(value) && value.every((one) => typeof one === "string");
const isUlimits = (value: unknown): value is { Name: string; Soft: number; Hard: number }[] =>
  Array.isArray(value) && value.every((one) => isObject(one) && typeof one["Name"] === "string" && typeof one["Soft"] === "number" && typeof one["Hard"] === "number");

function hostConfigOf(q: Query): HostConfig {
  const ulimits = readJson("ulimits", q.ulimits, isUlimits), security = readJson("securityopt", q.securityopt, isList);
  return {
    ...(q.memory ? { Memory: q.memory } : {}), ...(q.memswap ? { MemorySwap: q.memswap } : {}), ...(q.cpushares ? { CpuShares: q.cpushares } : {}),
    ...(q.cpusetcpus ? { CpusetCpus: q.cpusetcpus } : {}), ...(q.cpusetmems ? { CpusetMems: q.cpusetmems } : {}), ...(q.cpuperiod ? { CpuPeriod: q.cpuperiod } : {}),
    ...(q.cpuquota ? { CpuQuota: q.cpuquota } : {}), ...(q.shmsize ? { ShmSize: q.shmsize } : {}), ...(q.cgroupparent ? { CgroupParent: q.cgroupparent } : {}),
    ...(ulimits === undefined ? {} : { Ulimits: ulimits }), ...(security === undefined ? {} : { SecurityOpt: security }),
    ...(q.extrahosts === undefined ? {} : { ExtraHosts: q.extrahosts }),
  };
}

/** X-Registry-Config: credentials by registry, JSON in base64. What cannot be read counts as none. */
function registryConfig(header: string | string[] | undefined): Map<string, RegistryAuth> {
  const text = Array.isArray(header) ? header[0] : header;
  if (!text) return new Map();
  try {
    const value: unknown = JSON.parse(Buffer.from(text, "base64url").toString());
    const named = isObject(value) && isObject(value["Configs"]) ? value["Configs"] : value;
    if (!isObject(named)) return new Map();
    return new Map(Object.entries(named).flatMap(([server, auth]) => (isObject(auth) ? [[registryOf(server), toRegistryAuth(auth)] as const] : [])));
  } catch { return new Map(); }
}
function registryOf(server: string): string {
  const host = server.replace(/^https?:\/\//, "").replace(/\/.*$/, "");
  return /^(index\.|registry-1\.)?docker\.io$/.test(host) ? "docker.io" : host;
}

/** X-Strata-Build-Secrets: `{"secrets": {id: base64}, "ssh": {id: socket}}`, JSON in base64url. */
function privateOf(header: string | string[] | undefined): { readonly secrets: Map<string, Buffer>; readonly agents: Map<string, string> } {
  const text = Array.isArray(header) ? header[0] : header, name = "X-Strata-Build-Secrets";
  const value = readJson(name, text === undefined ? undefined : Buffer.from(text, "base64url").toString(), isObject) ?? {};
  const { secrets = {}, ssh = {}, ...rest } = value;
  if (!isTexts(secrets) || !isTexts(ssh) || Object.keys(rest).length > 0) throw new InvalidArgument(`${name} has the wrong shape`);
  const relative = Object.values(ssh).find((path) => !path.startsWith("/"));
  if (relative !== undefined) throw new InvalidArgument(`${name}: ssh: the socket "${relative}" is no absolute path`);
  return { secrets: new Map(Object.entries(secrets).map(([id, content]) => [id, Buffer.from(content, "base64")])), agents: new Map(Object.entries(ssh)) };
}

export function buildRoutes(builds: BuildService): Pick<Routes, "build" | "buildPrune"> {
  return {
    async build(c) {
      const q = c.query;
      if (q.version === "2") throw new InvalidArgument("version: only the classic builder (1) is served");
      const type = c.request.headers["content-type"] ?? "";
      if (q.remote === undefined && type !== "" && !/^application\/(x-)?(tar|octet-stream|gzip)/.test(type)) throw new InvalidArgument(`Content-Type: the context is a tar (application/x-tar), not ${type}`);
      const network = q.networkmode === undefined || q.networkmode === "" || q.networkmode === "default" ? undefined : q.networkmode;
      const stream = new ProgressStream(c.response);
      try {
        await builds.build({
          context: q.remote ? null : uploadOf(c.request), ...(q.remote ? { remote: q.remote } : {}), dockerfile: (q.dockerfile || "Dockerfile").replace(/^\/+/, ""), tags: (q.t ?? []).filter((tag) => tag !== ""),
          args: new Map(Object.entries(readJson("buildargs", q.buildargs, isArgs) ?? {})), labels: readJson("labels", q.labels, isTexts) ?? {},
          ...(q.target ? { target: q.target } : {}), ...(q.platform ? { platform: readPlatform(q.platform)! } : {}), ...(network === undefined ? {} : { network }),
          noCache: q.nocache ?? false, cacheFrom: readJson("cachefrom", q.cachefrom, isList) ?? [], pull: q.pull !== undefined && !["", "0", "false"].includes(q.pull.toLowerCase()), quiet: q.q ?? false, cacheTo: readJson("cacheto", q.cacheto, isList) ?? [],
          ...privateOf(c.request.headers["x-strata-build-secrets"]), remove: q.rm ?? true, forceRemove: q.forcerm ?? false, squash: q.squash ?? false,
          hostConfig: hostConfigOf(q), auth: registryConfig(c.request.headers["x-registry-config"]),
        }, { progress: stream.sink, ready: stream.ready, drained: stream.drained, signal: c.signal });
        stream.end();
      } catch (error) {
        if (!c.response.headersSent) throw error;
        stream.fail(error);
      }
      return undefined;
    },
    async buildPrune({ query }) {
      // What is reserved stays, whatever the ceiling.
      const keep = Math.max(query["reserved-space"] || query["keep-storage"] || 0, query["max-used-space"] ?? 0);
      const { removed, bytes } = await builds.prune({ filters: parseFilters(query.filters), all: query.all ?? false, ...(keep > 0 ? { keep } : {}) });
      return ok({ CachesDeleted: removed.length > 0 ? removed : null, SpaceReclaimed: bytes });
    },
  };
}
