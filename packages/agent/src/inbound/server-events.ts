/**
 * Events of servers, before anybody hears of them. `emit` of the server is the one place where a handler can be run in the
 * request's lane: the channel `http.server.request.start` is published, not run.
 *
 * Patched on net.Server, which the servers of http, https and http2 inherit from: so those need not be loaded in apps that
 * don't use them.
 */
import http from 'node:http';
import net from 'node:net';
import { enterContext, type LaneContext } from '@lane/core/model';
import { onBuiltinLoaded } from '../patching/builtin-hook.js';
import { wrap } from '../patching/wrap.js';

/** Gives the lane to emit in; undefined: leave things as they are. Called with the arguments of `emit`. */
export type ServerEventHook = (args: readonly unknown[]) => LaneContext | undefined;

type Emit = (...args: unknown[]) => boolean;

const hooks = new Map<unknown, ServerEventHook>();

/** Asks `hook` for the lane of each such event. One hook for each event. */
export function onServerEvent(event: string, hook: ServerEventHook): void {
  hooks.set(event, hook);
  if (hooks.size > 1) return;
  hookEmit(net.Server.prototype);
  // Another agent that came first has put an `emit` of its own there, which never asks the inherited one.
  if (Object.hasOwn(http.Server.prototype, 'emit')) hookEmit(http.Server.prototype);
  onBuiltinLoaded('https', () => {
    const { prototype } = (require('node:https') as typeof import('node:https')).Server;
    if (Object.hasOwn(prototype, 'emit')) hookEmit(prototype);
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
