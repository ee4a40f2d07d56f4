/**
 * Events of servers, before their listeners. The server's `emit` is the one place where a handler can run in the
 * request's lane: the channel `http.server.request.start` only publishes.
 *
 * Patched on net.Server, from which the servers of http, https and http2 inherit, so apps that don't use them
 * need not load them.
 */
import http from 'node:http';
import net from 'node:net';
import { enterContext, type LaneContext } from '@lane/core/model';
import { onBuiltinLoaded } from '../patching/builtin-hook.js';
import { wrap } from '../patching/wrap.js';

/** Returns the lane to emit in; undefined: change nothing. Called with the arguments of `emit`. */
export type ServerEventHook = (args: readonly unknown[]) => LaneContext | undefined;

type Emit = (...args: unknown[]) => boolean;

const hooks = new Map<unknown, ServerEventHook>();

/** Asks `hook` for the lane of each such event. One hook for each event. */
export function onServerEvent(event: string, hook: ServerEventHook): void {
  hooks.set(event, hook);
  if (hooks.size > 1) return;
  hookEmit(net.Server.prototype);
  // Another agent that came first has put its own `emit` there, which never calls the inherited one.
  if (Object.hasOwn(http.Server.prototype, 'emit')) hookEmit(http.Server.prototype);
  onBuiltinLoaded('https', () => {
    const { prototype } = (require('node:https') as typeof import('node:https')).Server;
    if (Object.hasOwn(prototype, 'emit')) hookEmit(prototype);
  });
}

const listening: Array<() => void> = [];

/** Calls `listener` as a server starts listening. */
export function onListening(listener: () => void): void {
  listening.push(listener);
  if (listening.length > 1) return;
  onServerEvent('listening', () => {
    for (const each of listening) each();
    return undefined;
  });
}

function hookEmit(prototype: object): void {
  wrap(prototype, 'emit', (original: Emit) => {
    // On the request path, change with care.
    return function emit(this: unknown, ...args: unknown[]): boolean {
      const context = hooks.get(args[0])?.(args);
      if (context === undefined) return Reflect.apply(original, this, args);
      return enterContext(context, original, this, args);
    };
  });
}
