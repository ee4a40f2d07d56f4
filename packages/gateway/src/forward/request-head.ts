/** Converts a request's head for the instance. */
import {
  BAGGAGE_HEADER,
  createTagCodec,
  DEFAULT_BAGGAGE_KEY,
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
import { forwardsLeft, type RequestHead } from './request-framing.js';
import type { AnyRequest } from '../listen/listener.js';

/** Besides those of the connection: headers that the gateway has handled, or rewrites. */
const SAID_ANEW: ReadonlySet<string> = new Set(['host', 'content-length', 'expect', 'proxy-authorization', 'x-request-id']);
/** Headers about the client, its target and its connection, besides `x-forwarded-*`: accepted from trusted peers only. */
const TELLS_OF_CLIENT: ReadonlySet<string> = new Set(['forwarded', 'x-real-ip', 'x-original-url', 'x-rewrite-url']);

/** Input of {@link createRequestHeads}. */
export interface OutboundHead {
  readonly request: AnyRequest;
  readonly head: RequestHead;
  readonly client: Client;
  readonly requestId: string;
  /** The lane that is sent on; undefined: what a trusted client said of it. */
  readonly lane: LaneContext | undefined;
  /** The called service. */
  readonly service: string;
  /** Replaces the host if the client named none (HTTP/1.0). */
  readonly fallbackHost: string;
  /** The protocol to switch to; undefined: none. */
  readonly upgrade?: string | undefined;
}

/** Creates heads, and knows the names of lane headers. */
export interface RequestHeads {
  /** Header lines for an instance: name, value, name, value. */
  linesFor(outbound: OutboundHead): string[];
  /** Whether only the gateway, or a trusted peer, may set a header. Lower case. */
  isGuarded(name: string): boolean;
}

/** Creates the function that rewrites a request's headers. */
export function createRequestHeads(
  codec: TagCodec,
  { formats, baggageKey }: { readonly formats?: readonly FormatName[] | undefined; readonly baggageKey?: string | undefined } = {},
): RequestHeads {
  // In every known format: an instance may read another one than we write.
  const every = createTagCodec({ formats: everyFormat(formats), ...(baggageKey === undefined ? {} : { baggageKey }) });
  // By the default key, too, for the same reason.
  const taken = baggageKey === undefined || baggageKey === DEFAULT_BAGGAGE_KEY ? [every] : [every, createTagCodec({ formats: ['baggage'] })];
  const ofLanes = new Set([...every.ownHeaders, ...codec.ownHeaders, BAGGAGE_HEADER]);
  const ofLanesInDashes = new Set([...ofLanes].map(inDashes));
  const isOneOfThem = (name: string): boolean =>
    name.startsWith('x-forwarded-') || TELLS_OF_CLIENT.has(name) || SAID_ANEW.has(name) || ofLanes.has(name);
  const isGuarded = (name: string): boolean => isOneOfThem(name) || isSecondSpelling(name);

  /** CGI-like servers map `-` to `_`, so a header with `_` means the same to them as a protected one. */
  function isSecondSpelling(name: string): boolean {
    // A header of lanes may itself have `_` in its name.
    if (ofLanes.has(name)) return false;
    const dashed = inDashes(name);
    return ofLanesInDashes.has(dashed) || (dashed !== name && (isOneOfThem(dashed) || endsHere(dashed, undefined)));
  }

  function linesFor({ request, head, client, requestId, lane, service, fallbackHost, upgrade }: OutboundHead): string[] {
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
    const forwards = forwardsLeft(request);
    if (forwards !== undefined) lines.set('max-forwards', String(forwards - 1));
    tellClient(lines, client, host);
    if (lane !== undefined || !client.trusted) for (const one of taken) removeTag(one, lines);
    if (lane !== undefined) writeLane(lane, codec, lines, service);
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

/** The framing that Node has parsed. An unannounced body would be read as the next request: HTTP/2 needs no such header, HTTP/1.1 does. */
function addFraming(lines: HeaderLines, request: AnyRequest, { body, length }: RequestHead): void {
  if (body === 'chunked') {
    lines.add('Transfer-Encoding', 'chunked', 'transfer-encoding');
    const announced = request.headers.trailer;
    if (typeof announced === 'string') lines.add('Trailer', announced, 'trailer');
  } else if (body === 'length') lines.add('Content-Length', length as string, 'content-length');
  else if (length !== undefined || !WITHOUT_BODY.has(request.method ?? 'GET')) lines.add('Content-Length', '0', 'content-length');
}

/** Methods that need no header to say that there is no body. */
const WITHOUT_BODY: ReadonlySet<string> = new Set(['GET', 'HEAD', 'DELETE', 'OPTIONS', 'TRACE']);

/** Tells the instance about the client. An untrusted client's claims have been removed, a trusted one's are extended. */
function tellClient(lines: HeaderLines, { peer = 'unknown', trusted, encrypted }: Client, host: string): void {
  const told = trusted ? lines.get('x-forwarded-for') : undefined;
  lines.set('x-forwarded-for', told === undefined ? peer : `${String(told)}, ${peer}`);
  if (lines.get('x-forwarded-host') === undefined) lines.add('x-forwarded-host', host);
  if (lines.get('x-forwarded-proto') === undefined) lines.add('x-forwarded-proto', encrypted ? 'https' : 'http');
  if (lines.get('x-forwarded-port') === undefined) lines.add('x-forwarded-port', /:(\d+)$/.exec(host)?.[1] ?? (encrypted ? '443' : '80'));
}
