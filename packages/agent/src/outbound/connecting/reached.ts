import type net from 'node:net';
import type { Instance } from '@lane/core/model';

type Address = Pick<Instance, 'ip' | 'port'>;

/** Where sockets are connected: a broken socket no longer knows. */
const reached = new WeakMap<net.Socket, Address>();

/** Notes which instance a socket is connected to. */
export function noteReached(socket: net.Socket, address: Address): void {
  reached.set(socket, address);
}

/** The instance that a socket was connected to, if it is a known one. */
export function reachedBy(socket: net.Socket): Address | undefined {
  return reached.get(socket);
}
