import { spawn } from "node:child_process";
import { chmod, mkdir, readFile, rename, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import type { AuthConfig } from "@strata/client";
import { CliError } from "./cli.js";

interface ConfigFile {
  auths?: Record<string, { auth?: string; identitytoken?: string; username?: string; password?: string; registrytoken?: string; email?: string }>;
  credsStore?: string;
  credHelpers?: Record<string, string>;
  [other: string]: unknown;
}

/** The user name that stands for an identity token in what helpers keep. */
const TOKEN_USER = "<token>";

/**
 * Registry credentials as docker keeps them: in `config.json` under `auths`, or with a program `docker-credential-NAME`
 * where `credHelpers` or `credsStore` name one.
 */
export class Credentials {
  readonly #path: string;
  readonly #env: NodeJS.ProcessEnv;
  #config: ConfigFile | undefined;
  /** `env` is what helpers run with; they are looked for on its PATH. */
  constructor(directory: string, env: NodeJS.ProcessEnv) {
    this.#path = join(directory, "config.json");
    this.#env = env;
  }

  /** What is known for a registry, by its key; undefined when nothing is. */
  async get(key: string): Promise<AuthConfig | undefined> {
    const config = await this.#read();
    const helper = helperOf(config, key);
    if (helper !== undefined) {
      const answer = await this.#call(helper, "get", key);
      if (answer === undefined) return undefined;
      const { Username, Secret } = JSON.parse(answer) as { Username: string; Secret: string };
      return Username === TOKEN_USER ? { identitytoken: Secret, serveraddress: key } : { username: Username, password: Secret, serveraddress: key };
    }
    const entry = config.auths?.[Object.keys(config.auths).find((one) => hostOf(one) === hostOf(key)) ?? ""];
    if (!entry) return undefined;
    const [username, ...password] = entry.auth ? Buffer.from(entry.auth, "base64").toString("utf8").split(":") : [entry.username ?? "", entry.password ?? ""];
    return { username, password: password.join(":").replace(/\0+$/, ""), identitytoken: entry.identitytoken, registrytoken: entry.registrytoken, serveraddress: key };
  }

  /** All that are known, by registry. A helper that cannot tell is passed over: another registry's may be enough. */
  async all(): Promise<Record<string, AuthConfig>> {
    const config = await this.#read();
    const kept = config.credsStore ? await this.#call(config.credsStore, "list", "").catch(() => undefined) : undefined;
    const keys = new Set([...Object.keys(config.auths ?? {}), ...Object.keys(config.credHelpers ?? {}), ...Object.keys((kept === undefined ? {} : JSON.parse(kept)) as object)]);
    const known = await Promise.all(Array.from(keys, async (key) => [key, await this.get(key).catch(() => undefined)] as const));
    return Object.fromEntries(known.filter((entry): entry is [string, AuthConfig] => entry[1] !== undefined));
  }

  /** Keeps credentials. Resolves with where they went when that is a plain file, which deserves a warning. */
  async store(key: string, { username = "", password = "", identitytoken }: AuthConfig): Promise<string | undefined> {
    const config = await this.#read();
    const helper = helperOf(config, key);
    if (helper !== undefined) {
      const token = identitytoken !== undefined && identitytoken !== "";
      await this.#call(helper, "store", JSON.stringify({ ServerURL: key, Username: token ? TOKEN_USER : username, Secret: token ? identitytoken : password }));
      await this.#write({ ...config, auths: { ...config.auths, [key]: {} } });
      return undefined;
    }
    const entry = identitytoken ? { auth: Buffer.from(`${username}:`).toString("base64"), identitytoken } : { auth: Buffer.from(`${username}:${password}`).toString("base64") };
    await this.#write({ ...config, auths: { ...config.auths, [key]: entry } });
    return this.#path;
  }

  /** Forgets credentials; false when there were none. */
  async erase(key: string): Promise<boolean> {
    const config = await this.#read();
    const helper = helperOf(config, key);
    const { [key]: entry, ...auths } = config.auths ?? {};
    if (helper !== undefined) await this.#call(helper, "erase", key);
    if (entry !== undefined) await this.#write({ ...config, auths });
    return entry !== undefined;
  }

  async #read(): Promise<ConfigFile> {
    if (this.#config) return this.#config;
    let text: string;
    try {
      text = await readFile(this.#path, "utf8");
    } catch (cause) {
      if ((cause as NodeJS.ErrnoException).code === "ENOENT") return {};
      throw cause;
    }
    try {
      return (this.#config = JSON.parse(text) as ConfigFile);
    } catch (cause) {
      throw new CliError(`${this.#path}: ${cause instanceof Error ? cause.message : String(cause)}`, 1, { cause });
    }
  }

  async #write(config: ConfigFile): Promise<void> {
    await mkdir(dirname(this.#path), { recursive: true, mode: 0o700 });
    const next = `${this.#path}.${process.pid}.tmp`;
    await writeFile(next, `${JSON.stringify(config, null, "\t")}\n`, { mode: 0o600 });
    await chmod(next, 0o600);
    await rename(next, this.#path);
    this.#config = config;
  }

  /** Runs a helper; undefined when it knows nothing about the registry. */
  #call(helper: string, verb: "get" | "list" | "store" | "erase", input: string): Promise<string | undefined> {
    return new Promise((resolve, reject) => {
      const name = `docker-credential-${helper}`;
      const child = spawn(name, [verb], { env: this.#env, stdio: ["pipe", "pipe", "inherit"] });
      let output = "";
      child.stdout.on("data", (chunk: Buffer) => { output += chunk.toString("utf8"); });
      child.stdin.on("error", () => undefined);
      child.on("error", (cause) => reject(new CliError(`error getting credentials - ${name}: ${cause.message}`, 1, { cause })));
      child.on("close", (code) => {
        if (code === 0) resolve(output);
        else if (/credentials not found/i.test(output)) resolve(undefined);
        else reject(new CliError(`error getting credentials - ${name} exited with ${code ?? "a signal"}: ${output.trim()}`));
      });
      child.stdin.end(input);
    });
  }
}

function helperOf(config: ConfigFile, key: string): string | undefined {
  return config.credHelpers?.[key] ?? config.credHelpers?.[hostOf(key)] ?? (config.credsStore || undefined);
}

/** Keys may be `https://host/v1/` or `host`. */
const hostOf = (key: string): string => key.replace(/^https?:\/\//, "").replace(/\/.*$/, "");
