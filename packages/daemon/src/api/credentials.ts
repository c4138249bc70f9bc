import type { RegistryAuth } from "../services/types.js";
import type { components } from "./generated/openapi.js";

type AuthConfig = components["schemas"]["AuthConfig"];

export function toRegistryAuth(config: AuthConfig): RegistryAuth {
  let { username, password } = config;
  if (config.auth && !username && !password) {
    const text = Buffer.from(config.auth, "base64").toString();
    const colon = text.indexOf(":");
    if (colon > 0) [username, password] = [text.slice(0, colon), text.slice(colon + 1)];
  }
  return {
    ...(username ? { username } : {}), ...(password ? { password } : {}),
    ...(config.identitytoken ? { identityToken: config.identitytoken } : {}),
    ...(config.registrytoken ? { registryToken: config.registrytoken } : {}),
    ...(config.serveraddress ? { serverAddress: config.serveraddress } : {}),
  };
}

/** Decodes X-Registry-Auth: JSON in base64, either alphabet. What cannot be read counts as no credentials, as with Docker. */
export function decodeAuthHeader(header: string | string[] | undefined): RegistryAuth | undefined {
  const text = Array.isArray(header) ? header[0] : header;
  if (!text) return undefined;
  try {
    const value = JSON.parse(Buffer.from(text, "base64url").toString()) as unknown;
    if (value === null || typeof value !== "object") return undefined;
    const auth = toRegistryAuth(value);
    return Object.keys(auth).length > 0 ? auth : undefined;
  } catch {
    return undefined;
  }
}
