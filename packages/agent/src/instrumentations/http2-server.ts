/**
 * node:http2 servers, and @grpc/grpc-js, which listens to their streams: the tag is decided once, when the stream comes; the
 * request of the compatibility API that is made of it takes over the decision.
 */
import type { IncomingHttpHeaders, ServerHttp2Stream } from 'node:http2';
import { REQUEST_MARK, type LaneContext } from '@lane/core/model';
import { emitInLane, keepLane } from '../inbound/emit-in-lane.js';
import type { InboundRequest, RequestLanes } from '../inbound/request-lanes.js';
import type { Observers } from '../observe/observers.js';
import { safely } from '../patching/safely.js';
import { onServerEvent } from '../inbound/server-events.js';

interface InboundStream extends InboundRequest {
  readonly headers: IncomingHttpHeaders;
}

export function install({ requests, observers }: { readonly requests: RequestLanes; readonly observers: Observers }): void {
  const contextOf = safely('http2-server', (args: readonly unknown[]): LaneContext | undefined => {
    const [, stream, headers, , rawHeaders] = args as [string, ServerHttp2Stream & InboundRequest, IncomingHttpHeaders, number, string[]];
    if (!Array.isArray(rawHeaders)) return undefined;
    const inbound: InboundStream = { rawHeaders, headers, socket: { remoteAddress: stream.session?.socket.remoteAddress } };
    const context = requests.contextOf(inbound, viewOf);
    // Where Node's compatibility API makes a request of the stream, http-server asks for it again.
    const mark = inbound[REQUEST_MARK];
    if (mark !== undefined) stream[REQUEST_MARK] = mark;
    observers.traffic?.streamCame(stream);
    if (context === undefined) return undefined;
    keepLane(stream, context);
    emitInLane(Object.getPrototypeOf(stream) as object);
    return context;
  });
  onServerEvent('stream', contextOf);
}

function viewOf({ headers, socket }: InboundStream): ReturnType<typeof import('@lane/core/rules').requestView> {
  // Here and not at the top: only entry services need it.
  const { requestView } = require('@lane/core/rules') as typeof import('@lane/core/rules');
  const { ':method': method = 'GET', ':path': url = '/', ':authority': host, ...rest } = headers;
  return requestView({ method, url, headers: { ...(host === undefined ? {} : { host }), ...rest }, clientIp: socket?.remoteAddress });
}
