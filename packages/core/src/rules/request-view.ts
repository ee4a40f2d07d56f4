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

/** A request as entry rules see it. What a rule asks for is parsed then, once; what none asks for, never. */
export function requestView(request: RequestLike): RequestView {
  return new LazyRequestView(request);
}

class LazyRequestView implements RequestView {
  readonly #request: RequestLike;
  #target: Target | undefined;
  #host: string | undefined;
  #query: URLSearchParams | undefined;
  #cookies: Map<string, string> | undefined;

  constructor(request: RequestLike) {
    this.#request = request;
  }

  get method(): string {
    return this.#request.method;
  }

  get clientIp(): string | undefined {
    return this.#request.clientIp;
  }

  get host(): string {
    // A host in the target goes before the header (RFC 9112, 3.2.2; for HTTP/2 RFC 9113, 8.3.1).
    return (this.#host ??= hostName(this.#split().authority ?? this.header(':authority') ?? this.header('host') ?? ''));
  }

  get path(): string {
    return this.#split().path;
  }

  header(name: string): string | undefined {
    return this.#lines(name, ', ');
  }

  cookie(name: string): string | undefined {
    return (this.#cookies ??= parseCookies(this.#lines('cookie', '; ') ?? '')).get(name);
  }

  query(name: string): string | undefined {
    return (this.#query ??= new URLSearchParams(this.#split().query)).get(name) ?? undefined;
  }

  #lines(name: string, separator: string): string | undefined {
    const { headers } = this.#request;
    // Own ones only: a rule may ask for a header of the name `constructor`.
    const value = Object.hasOwn(headers, name) ? headers[name] : undefined;
    return value === undefined || typeof value === 'string' ? value : value.join(separator);
  }

  #split(): Target {
    return (this.#target ??= splitTarget(this.#request.url));
  }
}

interface Target {
  readonly authority: string | undefined;
  readonly path: string;
  readonly query: string;
}

/** Scheme, authority and the rest of an absolute URL. */
const ABSOLUTE = /^[a-z][a-z\d+.-]*:\/\/([^/?#]*)(.*)$/is;

function splitTarget(url: string): Target {
  const absolute = url.startsWith('/') ? null : ABSOLUTE.exec(url);
  const rest = absolute === null ? url : (absolute[2] as string);
  const question = rest.indexOf('?');
  const path = question === -1 ? rest : rest.slice(0, question);
  return {
    authority: absolute?.[1]?.replace(/^.*@/s, ''),
    path: path === '' ? '/' : path,
    query: question === -1 ? '' : rest.slice(question + 1),
  };
}

/** A Host header without its port, in lower case; IPv6 without brackets. */
export function hostName(authority: string): string {
  const text = authority.trim().toLowerCase();
  if (text.startsWith('[')) return text.slice(1, text.indexOf(']') === -1 ? undefined : text.indexOf(']'));
  const colon = text.indexOf(':');
  // Two colons without brackets: a bare IPv6 address, not a port.
  return colon === -1 || colon !== text.lastIndexOf(':') ? text : text.slice(0, colon);
}

/** Of a cookie that comes twice the first counts, as servers commonly take it (RFC 6265, 5.4: more specific paths come first). */
function parseCookies(text: string): Map<string, string> {
  const cookies = new Map<string, string>();
  for (const pair of text.split(';')) {
    const equals = pair.indexOf('=');
    if (equals === -1) continue;
    const name = pair.slice(0, equals).trim();
    const raw = pair
      .slice(equals + 1)
      .trim()
      .replace(/^"(.*)"$/, '$1');
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
