import { InvalidArgument } from "../core/errors.js";
import { fromByteString, type ByteString } from "../kernel/byte-path.js";

const unclean = /(?:^|\/)\.{0,2}(?:\/|$)/;

/**
 * A name of an archive as a path below the root, without leading slash, `.`, `..` or empty parts; "" is the root.
 * `..` is taken by the letter (`a/../b` is `b` whatever `a` is). InvalidArgument when it leaves the root.
 */
export function cleanPath(name: ByteString): ByteString {
  const path = unclean.test(name) ? cleaned(name) : name;
  if (path.length > 255) {
    if (path.length > 4095) throw new InvalidArgument("tar: name longer than a path may be");
    for (const part of path.split("/")) {
      if (part.length > 255) throw new InvalidArgument(`tar: name longer than a file name may be: ${JSON.stringify(fromByteString(part.slice(0, 40)))}…`);
    }
  }
  return path;
}

function cleaned(name: ByteString): ByteString {
  const parts: ByteString[] = [];
  for (const part of name.split("/")) {
    if (part === "" || part === ".") continue;
    if (part !== "..") parts.push(part);
    else if (parts.pop() === undefined) throw new InvalidArgument(`tar: name leaves the root: ${JSON.stringify(fromByteString(name))}`);
  }
  return parts.join("/");
}

export const parentOf = (path: ByteString): ByteString => path.slice(0, Math.max(0, path.lastIndexOf("/")));
export const baseOf = (path: ByteString): ByteString => path.slice(path.lastIndexOf("/") + 1);
export const joinPath = (parent: ByteString, name: ByteString): ByteString => (parent === "" ? name : `${parent}/${name}`);
