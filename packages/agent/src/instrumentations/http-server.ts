/**
 * node:http and node:https servers.
 *
 * `emit` of the server is the one place where the handler can be run in the request's lane: the channel
 * `http.server.request.start` is published, not run. A body that arrives after its headers would lose the lane again (its
 * events come from the socket), so requests and responses emit in the lane of their request.
 *
 * Patched on net.Server, which http.Server and https.Server inherit from: so https, with TLS behind it, need not be loaded
 * in apps that don't use it (2 ms of start-up).
 */
import type { EventEmitter } from 'node:events';
import http from 'node:http';
import net from 'node:net';
import { currentContext, enterContext, type LaneContext, type RequestView } from '@lane/core';
import type { InboundRequest, Runtime } from '../runtime.js';
import { safely } from '../safely.js';
import { wrap } from '../wrap.js';

const LANE = Symbol('lane.context');

interface Kept {
  [LANE]?: LaneContext;
}

export function install(runtime: Runtime): void {
  const contextOf = safely('http-server', (request: http.IncomingMessage & InboundRequest) => runtime.contextOf(request, viewOf));
  wrap(net.Server.prototype, 'emit', (original) => emitInLane(original as Emit, contextOf));
}

type Emit = (this: unknown, ...args: unknown[]) => boolean;

function emitInLane(original: Emit, contextOf: (request: http.IncomingMessage & InboundRequest) => LaneContext | undefined): Emit {
  // On the request path, change with care.
  return function emit(this: unknown, ...args: unknown[]): boolean {
    const event = args[0];
    if (event !== 'request' && event !== 'upgrade' && event !== 'checkContinue' && event !== 'checkExpectation' && event !== 'connect') {
      return Reflect.apply(original, this, args);
    }
    if (!Array.isArray((args[1] as Partial<InboundRequest> | undefined)?.rawHeaders)) return Reflect.apply(original, this, args);
    const context = contextOf(args[1] as http.IncomingMessage & InboundRequest);
    if (context === undefined) return Reflect.apply(original, this, args);
    keepLane(args[1] as Kept, context);
    if (event !== 'upgrade' && event !== 'connect') (args[2] as Kept)[LANE] = context;
    return enterContext(context, original, this, args);
  };
}

let keeping = false;

function keepLane(request: Kept, context: LaneContext): void {
  request[LANE] = context;
  if (keeping) return;
  keeping = true;
  for (const { prototype } of [http.IncomingMessage, http.ServerResponse]) {
    wrap(prototype, 'emit', (original) => {
      const inherited = original as Emit;
      return function emit(this: unknown, ...args: unknown[]): boolean {
        const kept = (this as Kept)[LANE];
        // Most events have no listener, and then there is nothing to run in the lane.
        if (kept === undefined || kept === currentContext() || (this as EventEmitter).listenerCount(args[0] as string) === 0)
          return Reflect.apply(inherited, this, args);
        return enterContext(kept, inherited, this, args);
      };
    });
  }
}

function viewOf(request: http.IncomingMessage): RequestView {
  // Here and not at the top: only entry services need it.
  const { requestView } = require('@lane/core/lane-groups') as typeof import('@lane/core/lane-groups');
  return requestView({ method: request.method ?? 'GET', url: request.url ?? '/', headers: request.headers, clientIp: request.socket?.remoteAddress });
}
