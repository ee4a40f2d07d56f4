/** What becomes of a request's head on its way to the instance. */
import { BAGGAGE_HEADER, createTagCodec, FORMAT_NAMES, removeTag, writeTag, type OutboundHeaders, type Tag, type TagCodec } from '@lane/core/model';
import type { TrustTest } from '@lane/core/rules';
import type { Http2ServerRequest } from 'node:http2';
import type { AnyRequest } from './listener.js';

type Headers = Record<string, string | string[] | undefined>;

/** Headers that belong to one connection (RFC 9110, 7.6.1), besides `transfer-encoding`, by which Node knows of a body. */
const HOP_BY_HOP = ['connection', 'proxy-connection', 'keep-alive', 'te', 'upgrade', 'http2-settings', 'proxy-authorization'];
/** What `Connection` may name all the same: a request without these would be another one. */
const NEVER_HOP_BY_HOP = new Set(['content-length', 'transfer-encoding', 'host', 'content-type', 'cookie', 'authorization', BAGGAGE_HEADER]);

/** Who asked, and by what way, as far as it is to be believed. */
export interface Client {
  /** The address that asked: that of the peer, or what a trusted peer says. */
  readonly ip: string | undefined;
  readonly trusted: boolean;
  readonly encrypted: boolean;
}

/** Tells who asked. Of a trusted peer's `X-Forwarded-For` the last address counts that is not a trusted one itself. */
export function clientOf(request: AnyRequest, trusts: TrustTest): Client {
  const peer = request.socket.remoteAddress;
  const trusted = trusts(peer);
  const encrypted = (request.socket as { encrypted?: boolean }).encrypted === true;
  const told = trusted ? (request.headers as Headers)['x-forwarded-for'] : undefined;
  if (told === undefined) return { ip: peer, trusted, encrypted };
  const addresses = (typeof told === 'string' ? told : told.join(',')).split(',');
  let ip = peer;
  for (let i = addresses.length - 1; i >= 0; i--) {
    const address = (addresses[i] as string).trim();
    if (address === '') break;
    ip = address;
    if (!trusts(address)) break;
  }
  return { ip, trusted, encrypted };
}

/** Target in origin form: a request that names a whole URL, as to a proxy, is for its host (RFC 9112, 3.2.2). */
export function toOriginForm(request: AnyRequest): void {
  const url = request.url ?? '/';
  if (url.startsWith('/') || url === '*') return;
  const absolute = /^[a-z][a-z\d+.-]*:\/\/([^/?#]*)([^#]*)/is.exec(url);
  if (absolute === null) return;
  const [, authority = '', rest = ''] = absolute;
  request.url = rest.startsWith('/') ? rest : `/${rest}`;
  (request.headers as Headers)['host'] = authority.replace(/^.*@/s, '');
}

/** Takes away what belongs to the client's connection. Says whether the client wants it closed. */
export function removeHopByHop(request: AnyRequest): boolean {
  const headers = request.headers as Headers;
  const connection = headers['connection'];
  let close = false;
  if (typeof connection === 'string' && connection !== 'keep-alive') {
    for (const item of connection.split(',')) {
      const name = item.trim().toLowerCase();
      if (name === 'close') close = true;
      else if (name !== '' && !NEVER_HOP_BY_HOP.has(name)) delete headers[name];
    }
  }
  for (const name of HOP_BY_HOP) if (headers[name] !== undefined) delete headers[name];
  // Node has answered it.
  if (headers['expect'] !== undefined) delete headers['expect'];
  // A body that nothing tells of would be read as the next request: HTTP/2 needs no such header, HTTP/1.1 does.
  if (request.httpVersionMajor >= 2 && headers['content-length'] === undefined && !(request as Http2ServerRequest).stream.endAfterHeaders)
    headers['transfer-encoding'] = 'chunked';
  return close;
}

/** Tells the instance who asked. What an untrusted client says of that is replaced, what a trusted one says is continued. */
export function tellClient(request: AnyRequest, { trusted, encrypted }: Client): void {
  const headers = request.headers as Headers;
  const peer = request.socket.remoteAddress ?? 'unknown';
  const host = authorityOf(headers);
  const port = /:(\d+)$/.exec(host)?.[1] ?? (encrypted ? '443' : '80');
  const told = trusted ? headers['x-forwarded-for'] : undefined;
  headers['x-forwarded-for'] = told === undefined ? peer : `${String(told)}, ${peer}`;
  if (!trusted) {
    delete headers['forwarded'];
    delete headers['x-real-ip'];
  }
  if (!trusted || headers['x-forwarded-host'] === undefined) headers['x-forwarded-host'] = host;
  if (!trusted || headers['x-forwarded-proto'] === undefined) headers['x-forwarded-proto'] = encrypted ? 'https' : 'http';
  if (!trusted || headers['x-forwarded-port'] === undefined) headers['x-forwarded-port'] = port;
}

function authorityOf(headers: Headers): string {
  const authority = headers[':authority'] ?? headers['host'];
  return typeof authority === 'string' ? authority : '';
}

/** Makes the function that puts a request's lane headers right. */
export function createTagPassing(
  codec: TagCodec,
  baggageKey: string | undefined,
): (request: AnyRequest, tag: Tag | undefined, trusted: boolean) => void {
  // In every known format: an instance may read another one than we write.
  const every = createTagCodec({ formats: FORMAT_NAMES, ...(baggageKey === undefined ? {} : { baggageKey }) });
  return (request, tag, trusted) => {
    if (tag === undefined && trusted) return;
    const headers = request.headers as Headers;
    const outbound: OutboundHeaders = {
      get: (name) => headers[name],
      set: (name, value) => void (headers[name] = value),
      remove: (name) => void delete headers[name],
    };
    removeTag(every, outbound);
    if (tag !== undefined) writeTag(tag, codec, outbound);
  };
}
