/**
 * node:http and node:https servers: handlers run in the lane of their request. A body that arrives after its headers would
 * lose the lane again (its events come from the socket), so requests and responses emit in the lane of their request.
 */
import http from 'node:http';
import { REQUEST_MARK, type LaneContext } from '@lane/core/model';
import type { RequestView } from '@lane/core/rules';
import type { LateRuntime } from '../boot/late-runtime.js';
import { emitInLane, keepLane } from '../inbound/emit-in-lane.js';
import type { Marked, RequestSource } from '../inbound/request-lanes.js';
import { safely } from '../patching/safely.js';
import { onServerEvent } from '../inbound/server-events.js';
import type { TrafficRecorder } from '../observe/traffic/recorder.js';

type Request = http.IncomingMessage & Marked;

/** Reads requests of node:http. */
export const SOURCE: RequestSource<http.IncomingMessage> = { remoteAddress: ({ socket }) => socket?.remoteAddress, view: viewOf };

export function install(late: LateRuntime): void {
  const contextOf = safely('http-server', (args: readonly unknown[], hasResponse: boolean): LaneContext | undefined => {
    const request = args[1] as Partial<Request> | undefined;
    if (!Array.isArray(request?.rawHeaders)) return undefined;
    const { requests, observers } = late.get();
    const context = requests.contextOf(request as Request, request.rawHeaders, request as Request, SOURCE);
    if (observers.traffic !== undefined) count(observers.traffic, request as Request, hasResponse ? (args[2] as http.ServerResponse) : undefined);
    if (context === undefined) return undefined;
    keepLane(request, context);
    if (hasResponse) keepLane(args[2] as object, context);
    else keepSocket(args[2] as object, context);
    patchOnce();
    return context;
  });
  for (const event of ['request', 'checkContinue', 'checkExpectation']) onServerEvent(event, (args) => contextOf(args, true));
  for (const event of ['upgrade', 'connect']) onServerEvent(event, (args) => contextOf(args, false));
}

function count(traffic: TrafficRecorder, request: Request, response: http.ServerResponse | undefined): void {
  // An HTTP/2 request was counted when its stream arrived.
  if (request.stream !== undefined) return;
  if (response === undefined) traffic.upgradeCame(request[REQUEST_MARK]);
  else traffic.requestCame(response);
}

/** After an upgrade, or CONNECT, the connection belongs to its request alone: its events run in that lane. HTTP is over. */
function keepSocket(socket: object, context: LaneContext): void {
  keepLane(socket, context);
  emitInLane(socket);
}

let patched = false;

function patchOnce(): void {
  if (patched) return;
  patched = true;
  emitInLane(http.IncomingMessage.prototype);
  emitInLane(http.ServerResponse.prototype);
}

function viewOf(request: http.IncomingMessage): RequestView {
  // Here and not at the top: only entry services need it.
  const { requestView } = require('@lane/core/rules') as typeof import('@lane/core/rules');
  return requestView({ method: request.method ?? 'GET', url: request.url ?? '/', headers: request.headers, clientIp: request.socket?.remoteAddress });
}
