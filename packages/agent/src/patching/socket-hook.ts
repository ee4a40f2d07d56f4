/** Sees sockets before they connect, in the context of who connects them. */
import net from 'node:net';
import { safely } from './safely.js';
import { wrap } from './wrap.js';

/** What `connect` was called with, where that was an object: a copy of our own, which a hook may change. */
export interface SocketOptions {
  host?: string;
  port?: number | string;
  path?: string;
}

/** Connects the socket in its own time: `connect` does it as the app asked for, with options in the place of the app's where some are given. */
export type TakesOver = (connect: (options?: object) => void) => void;

/** May take over. */
export type SocketHook = (socket: net.Socket, options: SocketOptions | undefined) => TakesOver | undefined;

const hooks: SocketHook[] = [];

/** Calls `hook` before each socket connects. */
export function beforeSocketConnects(hook: SocketHook): void {
  hooks.push(safely('socket', hook));
  if (hooks.length > 1) return;
  wrap(net.Socket.prototype, 'connect', (original) => {
    return function connect(this: net.Socket, ...args: unknown[]): unknown {
      let takesOver: TakesOver | undefined;
      const options = ownOptions(args);
      for (const each of hooks) takesOver = each(this, options) ?? takesOver;
      if (takesOver === undefined) return Reflect.apply(original, this, args);
      // What `connect` throws is the caller's to catch.
      takesOver((changed) => void Reflect.apply(original, this, changed === undefined ? args : [changed]));
      return this;
    };
  });
}

/** The options in a copy of our own, put into their place: `net.connect` passes them in an array with the callback. */
function ownOptions(args: unknown[]): SocketOptions | undefined {
  const list = Array.isArray(args[0]) ? (args[0] as unknown[]) : args;
  if (typeof list[0] !== 'object' || list[0] === null) return undefined;
  const options = Object.assign(Object.create(Object.getPrototypeOf(list[0]) as object | null), list[0]) as SocketOptions;
  list[0] = options;
  return options;
}
