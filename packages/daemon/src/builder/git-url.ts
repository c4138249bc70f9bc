/** What of a repository is wanted. */
export interface GitSource {
  readonly url: string;
  /** Branch, tag or commit; "" for what the repository says itself. */
  readonly ref: string;
  /** Directory in it; "" for all of it. */
  readonly subdirectory: string;
}

/** Docker's rule: what is fetched by git, and not by HTTP. */
export function isGitUrl(text: string): boolean {
  return /^(?:git:\/\/|ssh:\/\/|git@|github\.com\/)/i.test(text) || /^https?:\/\/[^#?]*\.git(?:#.*)?$/i.test(text);
}

/** `url#ref:subdirectory`. */
export function parseGitUrl(text: string): GitSource {
  const hash = text.indexOf("#"), plain = hash < 0 ? text : text.slice(0, hash), fragment = hash < 0 ? "" : text.slice(hash + 1);
  const colon = fragment.indexOf(":");
  return { url: /^github\.com\//i.test(plain) ? `https://${plain}` : plain, ref: colon < 0 ? fragment : fragment.slice(0, colon), subdirectory: colon < 0 ? "" : fragment.slice(colon + 1) };
}
