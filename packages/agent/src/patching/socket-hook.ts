/** Sees sockets before they connect, in the context of their creator. */
import net from 'node:net';
import { safely } from './safely.js';
import { wrap } from './wrap.js';

/** The object that `connect` was called with: our copy, which a hook may change. */
export interface SocketOptions {
  host?: string;
  port?: number | string;
  path?: string;
}

/** Connects the socket later: `connect` does what the app asked for, with the given options instead of the app's, if any. */
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
      // The caller catches what `connect` throws.
      takesOver((changed) => void Reflect.apply(original, this, changed === undefined ? args : [changed]));
      return this;
    };
  });
}

/** Replaces the options by our copy: `net.connect` passes them in an array with the callback. */
function ownOptions(args: unknown[]): SocketOptions | undefined {
  const list = Array.isArray(args[0]) ? (args[0] as unknown[]) : args;
  if (typeof list[0] !== 'object' || list[0] === null) return undefined;
  const options = Object.assign(Object.create(Object.getPrototypeOf(list[0]) as object | null), list[0]) as SocketOptions;
  list[0] = options;
  return options;
}
