import { readFile, readdir } from "node:fs/promises";
import { join } from "node:path";
import { createSecureContext, rootCertificates } from "node:tls";
import type { SecureContext } from "node:tls";
import { InvalidArgument, errnoOf } from "../core/index.js";

/** Where distributions keep the bundle of trusted authorities. */
const BUNDLES = [
  "/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/ca-bundle.pem",
  "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem", "/etc/ssl/cert.pem",
];

/**
 * Certificates per registry host: the system's authorities, and what lies in `<dir>/<host:port>/` of the first
 * directory that has it: `*.crt` are authorities, `*.cert` with the `*.key` beside it a client's certificate.
 */
export class CertificateStore {
  readonly #contexts = new Map<string, Promise<SecureContext>>();
  #system: Promise<string[]> | undefined;

  constructor(private readonly directories: readonly string[]) {}

  /** One context per host, kept: making one costs tens of milliseconds. */
  context(host: string): Promise<SecureContext> {
    let context = this.#contexts.get(host);
    if (context === undefined) {
      context = this.#make(host);
      this.#contexts.set(host, context);
      context.catch(() => this.#contexts.delete(host));
    }
    return context;
  }

  async #make(host: string): Promise<SecureContext> {
    const own = await this.#hostFiles(host);
    this.#system ??= systemAuthorities();
    return createSecureContext({
      ca: [...(await this.#system), ...own.authorities],
      ...(own.cert === undefined ? {} : { cert: own.cert, key: own.key }),
    });
  }

  async #hostFiles(host: string): Promise<{ authorities: string[]; cert?: string; key?: string }> {
    for (const directory of this.directories) {
      const path = join(directory, host);
      let names: string[];
      try {
        names = (await readdir(path)).sort();
      } catch (e) {
        if (errnoOf(e) === "ENOENT" || errnoOf(e) === "ENOTDIR") continue;
        throw e;
      }
      const authorities = await Promise.all(names.filter((n) => n.endsWith(".crt")).map((n) => readFile(join(path, n), "utf8")));
      const cert = names.find((n) => n.endsWith(".cert"));
      if (cert === undefined) return { authorities };
      const key = `${cert.slice(0, -".cert".length)}.key`;
      if (!names.includes(key)) throw new InvalidArgument(`missing key ${key} for client certificate ${cert}. CA certificates must use the extension .crt`);
      return { authorities, cert: await readFile(join(path, cert), "utf8"), key: await readFile(join(path, key), "utf8") };
    }
    return { authorities: [] };
  }
}

async function systemAuthorities(): Promise<string[]> {
  for (const path of [process.env["SSL_CERT_FILE"], ...BUNDLES]) {
    if (path === undefined || path === "") continue;
    try {
      return [await readFile(path, "utf8")];
    } catch {
      // The next place; at the end what Node brought along.
    }
  }
  return [...rootCertificates];
}
