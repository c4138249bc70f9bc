import { parsePlatform, type Platform } from "@strata/oci";
import { InvalidArgument } from "../core/index.js";
import type { ContainerService, ImageService } from "../services/types.js";
import { created, empty, ok, type Context, type Routes } from "./context.js";
import { decodeAuthHeader } from "./credentials.js";
import { encodeFound, encodeHistory, encodeImage, encodeRemoved } from "./encode/images.js";
import type { Lists } from "./encode/lists.js";
import { imageInspect } from "./encode/shapes.js";
import { parseFilters } from "./filters.js";
import { toContainerConfig } from "./requests.js";
import { ProgressStream, sendStream, sizeOf, uploadOf } from "./streams.js";

/** `linux/arm64`, or the JSON form `{"os":"linux","architecture":"arm64"}`. */
export function readPlatform(text: string | undefined): Platform | undefined {
  if (!text) return undefined;
  let platform: Platform | undefined;
  if (text.startsWith("{")) {
    try {
      const value = JSON.parse(text) as Partial<Platform>;
      if (typeof value.os === "string" && typeof value.architecture === "string") platform = value as Platform;
    } catch { /* said below */ }
  } else {
    platform = parsePlatform(text);
  }
  if (platform === undefined) throw new InvalidArgument(`invalid platform: "${text}"`);
  return platform;
}

/** Name and tag or digest as one reference. */
export function joinReference(name: string, tag: string | undefined): string {
  return !tag ? name : `${name}${tag.includes(":") ? "@" : ":"}${tag}`;
}
/** Whether a name says which image of its repository is meant. */
function isExact(name: string): boolean {
  return name.includes("@") || name.lastIndexOf(":") > name.lastIndexOf("/");
}

/** Runs what reports progress; its outcome is a status before the first line and a line after it, or always a line. */
async function withProgress(context: Context, run: (sink: ProgressStream["sink"], signal: AbortSignal) => Promise<void>, { lineOnly = false } = {}): Promise<undefined> {
  const stream = new ProgressStream(context.response);
  try {
    await run(stream.sink, context.signal);
    stream.end();
  } catch (error) {
    if (!lineOnly && !context.response.headersSent) throw error;
    stream.fail(error);
  }
  return undefined;
}

/** docker-compose 1 asks for the newest version, and fails where an image has no `ContainerConfig`. */
const needsOldImages = (userAgent: string | undefined): boolean => /^docker-compose\/1\./.test(userAgent ?? "");

type ImageRoutes = Pick<Routes, Exclude<Extract<keyof Routes, `image${string}` | `distribution${string}`>, "imagePin" | "imageUnpin">>;

export function imageRoutes(images: ImageService, containers: ContainerService, lists: Lists): ImageRoutes {
  return {
    async imageList({ query, version }) {
      const filters = new Map(parseFilters(query.filters));
      if (query.filter) filters.set("reference", [...(filters.get("reference") ?? []), query.filter]);
      return ok(lists.images(await images.list({ all: query.all ?? false, filters }), query["shared-size"] ?? false, version));
    },
    imageCreate(c) {
      const { fromImage, fromSrc, tag, repo, message, changes } = c.query;
      const platform = readPlatform(c.query.platform);
      if (fromImage) {
        const name = fromImage.replace(/:$/, "");
        const ref = joinReference(name, tag);
        const auth = decodeAuthHeader(c.request.headers["x-registry-auth"]);
        return withProgress(c, (progress, signal) => images.pull(ref, { platform, auth, all: !isExact(ref), progress, signal }));
      }
      if (!fromSrc) throw new InvalidArgument("either fromImage or fromSrc is needed");
      return withProgress(c, async (progress, signal) => {
        const tar = fromSrc === "-" ? uploadOf(c.request) : await images.download(fromSrc, signal);
        if (fromSrc !== "-") progress({ status: `Downloading from ${fromSrc}` });
        const ref = repo ? joinReference(repo, tag) : undefined;
        progress({ status: await images.import(tar, { ref, changes: changes ?? [], message: message ?? "", platform, ...(fromSrc === "-" ? sizeOf(c.request) : {}) }) });
      });
    },
    imageLoad(c) {
      const quiet = c.query.quiet ?? false, platform = readPlatform(c.query.platform);
      return withProgress(c, async (progress, signal) => {
        await images.load(uploadOf(c.request), { ...sizeOf(c.request), platform, progress: quiet ? (line) => { if (line.stream !== undefined) progress(line); } : progress, signal });
      }, { lineOnly: true });
    },
    async imageGetAll(c) {
      const names = (c.query.names ?? []).flatMap((n) => n.split(",")).filter((n) => n !== "");
      if (names.length === 0) throw new InvalidArgument("no image names were given");
      await sendStream(c, "application/x-tar", await images.save(names, { platform: readPlatform(c.query.platform) }));
      return undefined;
    },
    async imageGet(c) {
      await sendStream(c, "application/x-tar", await images.save([c.path.name], { platform: readPlatform(c.query.platform) }));
      return undefined;
    },
    async imagePrune({ query }) {
      const { removed, bytes } = await images.prune(parseFilters(query.filters));
      return ok({ ImagesDeleted: removed.length > 0 ? removed.map(encodeRemoved) : null, SpaceReclaimed: bytes });
    },
    imageDelete: async ({ path, query }) => ok((await images.remove(path.name, { force: query.force ?? false, prune: !query.noprune, ...(query.platforms ? { platforms: query.platforms.map((p) => readPlatform(p)!) } : {}) })).map(encodeRemoved)),
    imageInspect: ({ path, query, version, request }) => ok(imageInspect(encodeImage(images.inspect(path.name, { platform: readPlatform(query.platform) })), needsOldImages(request.headers["user-agent"]) ? 44 : version)),
    imageHistory: ({ path, query }) => ok(images.history(path.name, { platform: readPlatform(query.platform) }).map(encodeHistory)),
    async imageSearch({ query, request, signal }) {
      const auth = decodeAuthHeader(request.headers["x-registry-auth"]);
      const found = await images.search(query.term ?? "", { limit: query.limit, filters: parseFilters(query.filters), auth, signal });
      return ok(found.map(encodeFound));
    },
    async distributionInspect({ path, request, signal }) {
      const { descriptor, platforms } = await images.remote(path.name, { auth: decodeAuthHeader(request.headers["x-registry-auth"]), signal });
      return ok({ Descriptor: descriptor, Platforms: platforms.map((p) => ({ ...p, "os.features": p["os.features"] === undefined ? undefined : [...p["os.features"]] })) });
    },
    imagePush(c) {
      const ref = joinReference(c.path.name, c.query.tag);
      const auth = decodeAuthHeader(c.request.headers["x-registry-auth"]);
      const platform = readPlatform(c.query.platform);
      return withProgress(c, (progress, signal) => images.push(ref, { auth, all: !isExact(ref), platform, progress, signal }));
    },
    imageTag({ path, query }) {
      if (!query.repo) throw new InvalidArgument("query parameter repo is missing");
      images.tag(path.name, joinReference(query.repo, query.tag));
      return empty(201);
    },
    async imageCommit({ query, body }) {
      if (!query.container) throw new InvalidArgument("query parameter container is missing");
      const id = await containers.commit(query.container, {
        ref: query.repo ? joinReference(query.repo, query.tag) : undefined,
        author: query.author ?? "", message: query.comment ?? "", changes: query.changes ?? [], pause: query.pause ?? true,
        config: body !== undefined && Object.keys(body).length > 0 ? toContainerConfig(body) : undefined,
      });
      return created({ Id: id });
    },
  };
}
