/** What becomes of a request's head on its way to the instance. */
import {
  BAGGAGE_HEADER,
  createTagCodec,
  everyFormat,
  removeTag,
  writeLane,
  type FormatName,
  type LaneContext,
  type TagCodec,
} from '@lane/core/model';
import type { Client } from './client.js';
import { HeaderLines } from './header-lines.js';
import { endsHere, namedByConnection } from './header-names.js';
import type { RequestHead } from './request-framing.js';
import type { AnyRequest } from '../listen/listener.js';

/** Besides those of the connection: what the gateway has answered, or says anew. */
const SAID_ANEW: ReadonlySet<string> = new Set(['host', 'content-length', 'expect', 'proxy-authorization', 'x-request-id']);
/** What tells instances who asked, for what, and by what way, besides `x-forwarded-*`: believed of trusted peers alone. */
const TELLS_OF_CLIENT: ReadonlySet<string> = new Set(['forwarded', 'x-real-ip', 'x-original-url', 'x-rewrite-url']);

/** What {@link createRequestHeads} makes heads of. */
export interface OutboundHead {
  readonly request: AnyRequest;
  readonly head: RequestHead;
  readonly client: Client;
  readonly requestId: string;
  /** The lane that is sent on; undefined: what a trusted client said of it. */
  readonly lane: LaneContext | undefined;
  /** Stands for the host where the client named none (HTTP/1.0). */
  readonly fallbackHost: string;
  /** The protocol that is switched to; undefined: none. */
  readonly upgrade?: string | undefined;
}

/** Makes heads, and knows the names of lane headers. */
export interface RequestHeads {
  /** Header lines for an instance: name, value, name, value. */
  linesFor(outbound: OutboundHead): string[];
  /** Whether a header says something that only the gateway, or a trusted peer, may say. Lower case. */
  isGuarded(name: string): boolean;
}

/** Makes the function that puts a request's headers right. */
export function createRequestHeads(
  codec: TagCodec,
  { formats, baggageKey }: { readonly formats?: readonly FormatName[] | undefined; readonly baggageKey?: string | undefined } = {},
): RequestHeads {
  // In every known format: an instance may read another one than we write.
  const every = createTagCodec({ formats: everyFormat(formats), ...(baggageKey === undefined ? {} : { baggageKey }) });
  const ofLanes = new Set([...every.ownHeaders, ...codec.ownHeaders, BAGGAGE_HEADER]);
  const ofLanesInDashes = new Set([...ofLanes].map(inDashes));
  const isOneOfThem = (name: string): boolean =>
    name.startsWith('x-forwarded-') || TELLS_OF_CLIENT.has(name) || SAID_ANEW.has(name) || ofLanes.has(name);
  const isGuarded = (name: string): boolean => isOneOfThem(name) || isSecondSpelling(name);

  /** Servers of the CGI family take `_` for `-`: another name, and the same to them as one that is looked after here. */
  function isSecondSpelling(name: string): boolean {
    // A header of lanes may itself have `_` in its name.
    if (ofLanes.has(name)) return false;
    const dashed = inDashes(name);
    return ofLanesInDashes.has(dashed) || (dashed !== name && (isOneOfThem(dashed) || endsHere(dashed, undefined)));
  }

  function linesFor({ request, head, client, requestId, lane, fallbackHost, upgrade }: OutboundHead): string[] {
    const lines = new HeaderLines();
    const host = head.authority ?? fallbackHost;
    lines.add('Host', host, 'host');
    const named = namedByConnection(request.headers.connection);
    const { rawHeaders } = request;
    for (let i = 0; i < rawHeaders.length; i += 2) {
      const name = rawHeaders[i] as string;
      const lower = name.toLowerCase();
      if (lower.startsWith(':') || endsHere(lower, named) || SAID_ANEW.has(lower)) continue;
      if (!client.trusted && (lower.startsWith('x-forwarded-') || TELLS_OF_CLIENT.has(lower))) continue;
      if (isSecondSpelling(lower)) continue;
      lines.add(name, rawHeaders[i + 1] as string, lower);
    }
    tellClient(lines, client, host);
    if (lane !== undefined || !client.trusted) removeTag(every, lines);
    if (lane !== undefined) writeLane(lane, codec, lines);
    lines.add('X-Request-Id', requestId, 'x-request-id');
    if (upgrade !== undefined) {
      lines.add('Connection', 'Upgrade', 'connection');
      lines.add('Upgrade', upgrade, 'upgrade');
    } else addFraming(lines, request, head);
    return lines.flat;
  }
  return { linesFor, isGuarded };
}

function inDashes(name: string): string {
  return name.includes('_') ? name.replaceAll('_', '-') : name;
}

/** The framing that Node has parsed. A body that nothing tells of would be read as the next request: HTTP/2 needs no such header, HTTP/1.1 does. */
function addFraming(lines: HeaderLines, request: AnyRequest, { body, length }: RequestHead): void {
  if (body === 'chunked') {
    lines.add('Transfer-Encoding', 'chunked', 'transfer-encoding');
    const announced = request.headers.trailer;
    if (typeof announced === 'string') lines.add('Trailer', announced, 'trailer');
  } else if (body === 'length') lines.add('Content-Length', length as string, 'content-length');
  else if (length !== undefined || !WITHOUT_BODY.has(request.method ?? 'GET')) lines.add('Content-Length', '0', 'content-length');
}

/** Methods whose requests need not say that they have no body. */
const WITHOUT_BODY: ReadonlySet<string> = new Set(['GET', 'HEAD', 'DELETE', 'OPTIONS', 'TRACE']);

/** Tells the instance who asked. What an untrusted client says of that has been taken away, what a trusted one says is continued. */
function tellClient(lines: HeaderLines, { peer = 'unknown', trusted, encrypted }: Client, host: string): void {
  const told = trusted ? lines.get('x-forwarded-for') : undefined;
  lines.set('x-forwarded-for', told === undefined ? peer : `${String(told)}, ${peer}`);
  if (lines.get('x-forwarded-host') === undefined) lines.add('x-forwarded-host', host);
  if (lines.get('x-forwarded-proto') === undefined) lines.add('x-forwarded-proto', encrypted ? 'https' : 'http');
  if (lines.get('x-forwarded-port') === undefined) lines.add('x-forwarded-port', /:(\d+)$/.exec(host)?.[1] ?? (encrypted ? '443' : '80'));
}
