/**
 * Splits `name[:tag][@digest]` as the `tag` parameter of the API wants it: the digest if there is one, else the tag.
 * A colon before the last slash is a registry's port.
 */
export function splitReference(reference: string): { name: string; tag: string | undefined } {
  const at = reference.indexOf("@");
  const digest = at === -1 ? undefined : reference.slice(at + 1);
  const rest = at === -1 ? reference : reference.slice(0, at);
  const colon = rest.lastIndexOf(":");
  if (colon === -1 || rest.includes("/", colon)) return { name: rest, tag: digest };
  return { name: rest.slice(0, colon), tag: digest ?? rest.slice(colon + 1) };
}
