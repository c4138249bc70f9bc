import { createServer, type Server } from "node:http";
import { InvalidArgument, NotFound } from "../core/index.js";
import { sendError } from "./errors.js";

/** A server of `/metrics` alone, in the text format that Prometheus reads. */
export function metricsServer(contentType: string, read: () => Promise<string>): Server {
  return createServer((request, response) => {
    const path = (request.url ?? "/").replace(/\?.*$/, "");
    if (path !== "/metrics") return sendError(response, new NotFound(`${path} is not there: /metrics is`));
    if (request.method !== "GET" && request.method !== "HEAD") return sendError(response, new InvalidArgument("/metrics is read with GET"));
    read().then((text) => {
      response.writeHead(200, { "Content-Type": contentType, "Content-Length": Buffer.byteLength(text) });
      response.end(request.method === "HEAD" ? undefined : text);
    }, (error: unknown) => sendError(response, error));
  });
}
