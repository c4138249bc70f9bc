/** Sockets for Node to serve that Node cannot make itself: those of another network namespace. Of the FFI file's kind: errors carry Node's fields. */
import { constants } from "node:os";
import koffi from "koffi";
import { failWith } from "./libc.js";

const lib = koffi.load("libc.so.6");
const c = {
  socket: lib.func("int socket(int domain, int type, int protocol)"),
  bind: lib.func("int bind(int fd, const uint8_t *address, unsigned int size)"),
  connect: lib.func("int connect(int fd, const uint8_t *address, unsigned int size)"),
  close: lib.func("int close(int fd)"),
};
const SOCK_NONBLOCK = 0o4000, SOCK_CLOEXEC = 0o2000000;
export const SOCK_STREAM = 1, SOCK_DGRAM = 2;
export const AF_INET = 2, AF_INET6 = 10;

/** Opens a non-blocking IP socket of the calling thread's network namespace, for ever of that namespace. */
export function openSocket(family: number, type: number): number {
  const fd = c.socket(family, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0) as number;
  return fd < 0 ? failWith(koffi.errno(), "socket") : fd;
}
/** The same at an address (sockaddr_in, sockaddr_in6). */
export function bindSocket(address: Uint8Array, type: number): number {
  const fd = openSocket(address[0]!, type);
  if (c.bind(fd, address, address.length) === 0) return fd;
  const errno = koffi.errno();
  c.close(fd);
  return failWith(errno, "bind");
}
/** A stream that is on its way to an address; whether it gets there, its first write or read tells. */
export function connectSocket(address: Uint8Array): number {
  const fd = openSocket(address[0]!, SOCK_STREAM);
  if (c.connect(fd, address, address.length) === 0) return fd;
  const errno = koffi.errno();
  if (errno === constants.errno.EINPROGRESS) return fd;
  c.close(fd);
  return failWith(errno, "connect");
}
