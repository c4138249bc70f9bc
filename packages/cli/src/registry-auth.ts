import type { AuthConfig } from "@strata/client";
import type { Cli } from "./cli.js";
import { HUB, credentialKey, parseReference, registryOf } from "./reference.js";
import { Credentials } from "./credentials.js";

/** The credentials for the registry that an image's name says. */
export function authFor(cli: Cli, reference: string): Promise<AuthConfig | undefined> {
  return new Credentials(cli.configDirectory, cli.env).get(credentialKey(parseReference(reference).registry));
}

/** The same for what is searched for: `word`, or `registry.example/word`. */
export function authForTerm(cli: Cli, term: string): Promise<AuthConfig | undefined> {
  return new Credentials(cli.configDirectory, cli.env).get(credentialKey(registryOf(term) ?? HUB));
}
