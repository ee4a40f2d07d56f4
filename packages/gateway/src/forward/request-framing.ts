/**
 * A request before routing: its target, its host, and the end of its body. Everything follows from what Node's
 * parser has accepted, from all header lines. Ambiguous requests are refused: the instance might read them differently.
 */
import { Http2ServerRequest } from 'node:http2';
import { normalizePath } from '../decide/request-path.js';
import type { AnyRequest } from '../listen/listener.js';

/** Header lines of a message, in both directions: Envoy, Apache and Tomcat accept 100, HAProxy 101, Node 1,000, and it silently drops the rest. */
export const MAX_HEADERS = 256;

/** An answer by the gateway itself. */
export interface Refusal {
  readonly status: number;
  readonly message: string;
}

/** How a body is delimited. `none` is also a length of 0. */
export type BodyFraming = 'none' | 'length' | 'chunked';

/** A parsed request head. */
export interface RequestHead {
  /** Why it is refused. */
  readonly refusal: Refusal | undefined;
  /** Host and port; undefined in HTTP/1.0 without `Host`. */
  readonly authority: string | undefined;
  /** The target for the instance: in origin form, or `*`. */
  readonly target: string;
  /** Normalized path and query, for routes and rules. */
  readonly matched: string;
  readonly body: BodyFraming;
  /** Bytes of the body, if `body` is `length`. */
  readonly length: string | undefined;
}

/** Whether it came over HTTP/2: by its class, because an HTTP/1 message may say `HTTP/2.0`. */
export function isHttp2(request: AnyRequest): request is Http2ServerRequest {
  return request instanceof Http2ServerRequest;
}

/** A registered name or address, and a port (RFC 3986, 3.2.2), without user, escapes and characters that no host name has. */
const AUTHORITY = /^(?:\[[\da-f:.]{2,45}\]|[\w.~-]{1,255})(?::(\d{0,5}))?$/i;
const ABSOLUTE = /^https?:\/\/([^/?#]*)(.*)$/is;
const DIGITS = /^\d{1,15}$/;

/** Whether a text is a valid `Host`. */
export function isAuthority(text: string): boolean {
  const match = AUTHORITY.exec(text);
  return match !== null && Number(match[1] ?? 0) <= 65_535;
}

/** Reads the head of a request. */
export function readHead(request: AnyRequest): RequestHead {
  const url = request.url ?? '/';
  const framing = isHttp2(request) ? http2Framing(request) : http1Framing(request);
  const head = { ...readTarget(url, request.method ?? 'GET'), ...framing };
  // A host in the target takes precedence over the header (RFC 9112, 3.2.2).
  const absolute = url.startsWith('/') ? null : ABSOLUTE.exec(url);
  if (absolute !== null) head.authority = absolute[1] as string;
  const { authority } = head;
  let { refusal } = head;
  if (refusal === undefined && head.target === '') refusal = { status: 400, message: 'the request target is not valid' };
  if (refusal === undefined && url.includes('#')) refusal = { status: 400, message: 'a request target must not contain a fragment (#)' };
  if (refusal === undefined && authority !== undefined && !isAuthority(authority))
    refusal = { status: 400, message: 'the host of the request is not valid' };
  return { ...head, refusal };
}

function readTarget(url: string, method: string): { target: string; matched: string } {
  let target = url;
  if (!url.startsWith('/') && url !== '*') {
    const rest = ABSOLUTE.exec(url)?.[2];
    if (rest === undefined) return { target: '', matched: '/' };
    // For the server as a whole (RFC 9112, 3.2.4).
    if (rest === '' && method === 'OPTIONS') target = '*';
    else target = rest.startsWith('/') ? rest : `/${rest}`;
  }
  if (target === '*') return { target: method === 'OPTIONS' ? '*' : '', matched: '/' };
  const question = target.indexOf('?');
  return question === -1
    ? { target, matched: normalizePath(target) }
    : { target, matched: `${normalizePath(target.slice(0, question))}${target.slice(question)}` };
}

type Framing = { refusal: Refusal | undefined; authority: string | undefined; body: BodyFraming; length: string | undefined };

const refused = (status: number, message: string): Framing => ({
  refusal: { status, message },
  authority: undefined,
  body: 'none',
  length: undefined,
});

function http1Framing(request: AnyRequest): Framing {
  const { rawHeaders, httpVersionMajor, httpVersionMinor } = request;
  if (httpVersionMajor !== 1) return refused(505, 'this version of HTTP is not supported');
  if (rawHeaders.length > MAX_HEADERS * 2) return refused(431, `more than ${MAX_HEADERS} header lines`);
  let host: string | undefined;
  let length: string | undefined;
  let coding: string | undefined;
  for (let i = 0; i < rawHeaders.length; i += 2) {
    const name = rawHeaders[i] as string;
    const value = rawHeaders[i + 1] as string;
    // The lengths of `host`, `content-length` and `transfer-encoding`.
    if (name.length !== 4 && name.length !== 14 && name.length !== 17) continue;
    const lower = name.toLowerCase();
    if (lower === 'host') {
      if (host !== undefined) return refused(400, 'Host is given more than once');
      host = value;
    } else if (lower === 'content-length') {
      if (length !== undefined) return refused(400, 'Content-Length is given more than once');
      length = value;
    } else if (lower === 'transfer-encoding') {
      if (coding !== undefined) return refused(400, 'Transfer-Encoding is given more than once');
      coding = value;
    }
  }
  if (host === undefined && httpVersionMinor > 0) return refused(400, 'the request has no Host');
  if (length !== undefined && coding !== undefined) return refused(400, 'Content-Length and Transfer-Encoding must not be used together');
  if (length !== undefined && !DIGITS.test(length)) return refused(400, 'Content-Length is not a number');
  if (coding !== undefined && coding.toLowerCase() !== 'chunked') return refused(501, 'the only supported Transfer-Encoding is chunked');
  if (coding !== undefined && httpVersionMinor === 0) return refused(400, 'HTTP/1.0 has no Transfer-Encoding');
  const body = coding !== undefined ? 'chunked' : length === undefined || Number(length) === 0 ? 'none' : 'length';
  return { refusal: undefined, authority: host, body, length };
}

/** nghttp2 has checked the rest: one length with that many bytes; no Transfer-Encoding; pseudo headers once and first. */
function http2Framing(request: Http2ServerRequest): Framing {
  const { headers, rawHeaders, stream } = request;
  if (rawHeaders.length > (MAX_HEADERS + 4) * 2) return refused(431, `more than ${MAX_HEADERS} header lines`);
  let hosts = 0;
  for (let i = 0; i < rawHeaders.length; i += 2) if ((rawHeaders[i] as string).length === 4 && rawHeaders[i] === 'host') hosts++;
  const { ':authority': authority, host, 'content-length': length } = headers;
  if (hosts > 1 || (authority !== undefined && host !== undefined && authority.toLowerCase() !== host.toLowerCase()))
    return refused(400, 'the request names two hosts');
  if (length !== undefined && !DIGITS.test(length)) return refused(400, 'content-length is not a number');
  const isEmpty = (stream as { endAfterHeaders?: boolean }).endAfterHeaders === true || length === '0';
  return { refusal: undefined, authority: authority ?? host, body: isEmpty ? 'none' : length === undefined ? 'chunked' : 'length', length };
}

/** How many proxies a TRACE or OPTIONS may still pass (RFC 9110, 7.6.2); undefined: no limit, or another method. */
export function forwardsLeft({ method, headers }: AnyRequest): number | undefined {
  if (method !== 'OPTIONS' && method !== 'TRACE') return undefined;
  const given = headers['max-forwards'];
  return typeof given === 'string' && /^\d{1,9}$/.test(given) ? Number(given) : undefined;
}
