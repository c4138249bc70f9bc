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
  /** Of hosts that have nothing of their own. */
  #plain: Promise<SecureContext> | undefined;

  constructor(private readonly directories: readonly string[]) {}

  /** One context per host, kept: to parse every authority takes tens of milliseconds. `unverified`: none is needed. */
  context(host: string, unverified = false): Promise<SecureContext> {
    const key = `${host} ${unverified}`;
    let context = this.#contexts.get(key);
    if (context === undefined) {
      context = this.#make(host, unverified);
      this.#contexts.set(key, context);
      context.catch(() => this.#contexts.delete(key));
    }
    return context;
  }

  async #make(host: string, unverified: boolean): Promise<SecureContext> {
    const { authorities, cert, key } = await this.#hostFiles(host);
    if (unverified) return createSecureContext({ ca: [], ...(cert === undefined ? {} : { cert, key }) });
    this.#system ??= systemAuthorities();
    const ca = await this.#system;
    if (authorities.length === 0 && cert === undefined) return (this.#plain ??= Promise.resolve(createSecureContext({ ca })));
    return createSecureContext({ ca: [...ca, ...authorities], ...(cert === undefined ? {} : { cert, key }) });
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
