/**
 * node:http2 servers, and @grpc/grpc-js, which listens to their streams. The tag is decided once, when the stream arrives; its
 * request in the compatibility API takes over the decision.
 */
import type { IncomingHttpHeaders, ServerHttp2Stream } from 'node:http2';
import type { LaneContext } from '@lane/core/model';
import type { LateRuntime } from '../boot/late-runtime.js';
import { emitInLane, keepLane } from '../inbound/emit-in-lane.js';
import type { Marked, RequestSource } from '../inbound/request-lanes.js';
import { safely } from '../patching/safely.js';
import { onServerEvent } from '../inbound/server-events.js';

/** Arguments of `emit` for a stream. */
type StreamEvent = readonly [event: string, stream: ServerHttp2Stream & Marked, headers: IncomingHttpHeaders, flags: number, rawHeaders: string[]];

const SOURCE: RequestSource<StreamEvent> = { remoteAddress: ([, { session }]) => session?.socket.remoteAddress, view: viewOf };

export function install(late: LateRuntime): void {
  const contextOf = safely('http2-server', (args: readonly unknown[]): LaneContext | undefined => {
    const event = args as StreamEvent;
    const stream = event[1];
    const rawHeaders = event[4];
    if (!Array.isArray(rawHeaders)) return undefined;
    const { requests, observers } = late.get();
    // If Node's compatibility API turns the stream into a request, http-server finds the decision on it.
    const context = requests.contextOf(stream, rawHeaders, event, SOURCE);
    observers.traffic?.streamCame(stream);
    if (context === undefined) return undefined;
    keepLane(stream, context);
    emitInLane(Object.getPrototypeOf(stream) as object);
    return context;
  });
  onServerEvent('stream', contextOf);
}

function viewOf([, { session }, headers]: StreamEvent): ReturnType<typeof import('@lane/core/rules').requestView> {
  // Here and not at the top: only entry services need it.
  const { requestView } = require('@lane/core/rules') as typeof import('@lane/core/rules');
  const { ':method': method = 'GET', ':path': url = '/', ':authority': host, ...rest } = headers;
  return requestView({ method, url, headers: { ...(host === undefined ? {} : { host }), ...rest }, clientIp: session?.socket.remoteAddress });
}
