import type { RequestView } from './types.js';

/** What a view is made of: the shape of node:http's IncomingMessage. */
export interface RequestLike {
  readonly method: string;
  /** Path and query; an absolute URL, as proxies get it, too. */
  readonly url: string;
  /** Names in lower case. */
  readonly headers: Readonly<Record<string, string | readonly string[] | undefined>>;
  readonly clientIp: string | undefined;
}

/** A request as entry rules see it. Query and cookies are parsed when a rule asks for them, once. */
export function requestView(request: RequestLike): RequestView {
  const { headers } = request;
  const url = request.url.startsWith('/') ? request.url : withoutOrigin(request.url);
  const question = url.indexOf('?');
  let query: URLSearchParams | undefined;
  let cookies: Map<string, string> | undefined;

  const header = (name: string): string | undefined => {
    const value = headers[name];
    return value === undefined || typeof value === 'string' ? value : value.join(', ');
  };
  return {
    host: hostName(header('host') ?? header(':authority') ?? ''),
    path: question === -1 ? url : url.slice(0, question),
    method: request.method,
    header,
    cookie: (name) => (cookies ??= parseCookies(header('cookie') ?? '')).get(name),
    query: (name) => (query ??= new URLSearchParams(question === -1 ? '' : url.slice(question + 1))).get(name) ?? undefined,
    clientIp: request.clientIp,
  };
}

function withoutOrigin(url: string): string {
  const scheme = url.indexOf('://');
  if (scheme === -1) return url;
  const path = url.indexOf('/', scheme + 3);
  return path === -1 ? '/' : url.slice(path);
}

/** A Host header without its port, in lower case; IPv6 without brackets. */
export function hostName(authority: string): string {
  const text = authority.trim().toLowerCase();
  if (text.startsWith('[')) return text.slice(1, text.indexOf(']') === -1 ? undefined : text.indexOf(']'));
  const colon = text.indexOf(':');
  return colon === -1 ? text : text.slice(0, colon);
}

/** Of a cookie that comes twice the first counts, as servers commonly take it (RFC 6265, 5.4: more specific paths come first). */
function parseCookies(text: string): Map<string, string> {
  const cookies = new Map<string, string>();
  for (const pair of text.split(';')) {
    const equals = pair.indexOf('=');
    if (equals === -1) continue;
    const name = pair.slice(0, equals).trim();
    const raw = pair.slice(equals + 1).trim().replace(/^"(.*)"$/, '$1');
    if (name !== '' && !cookies.has(name)) cookies.set(name, decode(raw));
  }
  return cookies;
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
