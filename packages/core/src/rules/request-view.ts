import type { RequestView } from './types.js';

/** The source of a view: the shape of node:http's IncomingMessage. */
export interface RequestLike {
  readonly method: string;
  /** Path and query; or an absolute URL, as proxies get it. */
  readonly url: string;
  /** Names in lower case. */
  readonly headers: Readonly<Record<string, string | readonly string[] | undefined>>;
  readonly clientIp: string | undefined;
}

/**
 * A request as entry rules see it. A part is parsed once, when the first rule needs it, or never. A thousand rules may ask, and
 * clients choose the sizes, so the cost of an answer depends on neither.
 */
export function requestView(request: RequestLike): RequestView {
  return new LazyRequestView(request);
}

class LazyRequestView implements RequestView {
  readonly #request: RequestLike;
  #target: Target | undefined;
  #host: string | undefined;
  #query: Map<string, string> | undefined;
  #cookies: Cookies | undefined;
  /** Values of headers with several lines. */
  #joined: Map<string, string> | undefined;

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
    // A host in the target takes precedence over the header (RFC 9112, 3.2.2; for HTTP/2 RFC 9113, 8.3.1).
    return (this.#host ??= hostName(this.#split().authority ?? this.header(':authority') ?? this.header('host') ?? ''));
  }

  get path(): string {
    return this.#split().path;
  }

  header(name: string): string | undefined {
    return this.#lines(name, ', ');
  }

  cookie(name: string): string | undefined {
    return (this.#cookies ??= new Cookies(this.#lines('cookie', '; ') ?? '')).get(name);
  }

  query(name: string): string | undefined {
    return (this.#query ??= parseQuery(this.#split().query)).get(name);
  }

  #lines(name: string, separator: string): string | undefined {
    const { headers } = this.#request;
    // Own ones only: a rule may ask for a header of the name `constructor`.
    const value = Object.hasOwn(headers, name) ? headers[name] : undefined;
    if (value === undefined || typeof value === 'string') return value;
    this.#joined ??= new Map();
    let joined = this.#joined.get(name);
    if (joined === undefined) this.#joined.set(name, (joined = value.join(separator)));
    return joined;
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

/** Only the first ones count: a head of 16 KB has room for eight thousand, and a browser keeps 180 cookies per site. */
export const MAX_PAIRS = 256;

function parseQuery(text: string): Map<string, string> {
  let end = -1;
  for (let pairs = 0; pairs < MAX_PAIRS && end < text.length; pairs++) end = endOf('&', text, end + 1);
  const values = new Map<string, string>();
  // Not get(), which scans all of them each time.
  for (const [name, value] of new URLSearchParams(text.slice(0, end))) if (!values.has(name)) values.set(name, value);
  return values;
}

function endOf(separator: string, text: string, from: number): number {
  const end = text.indexOf(separator, from);
  return end === -1 ? text.length : end;
}

/** The first of duplicate cookies counts, as in most servers (RFC 6265, 5.4: more specific paths come first). */
class Cookies {
  readonly #raw = new Map<string, string>();
  readonly #decoded = new Map<string, string>();

  constructor(text: string) {
    for (let pairs = 0, from = 0; pairs < MAX_PAIRS && from < text.length; pairs++) {
      const end = endOf(';', text, from);
      const pair = text.slice(from, end);
      from = end + 1;
      const equals = pair.indexOf('=');
      if (equals === -1) continue;
      const name = pair.slice(0, equals).trim();
      if (name !== '' && !this.#raw.has(name)) this.#raw.set(name, pair.slice(equals + 1));
    }
  }

  get(name: string): string | undefined {
    const raw = this.#raw.get(name);
    if (raw === undefined) return undefined;
    let decoded = this.#decoded.get(name);
    if (decoded === undefined) this.#decoded.set(name, (decoded = decode(raw.trim().replace(/^"(.*)"$/, '$1'))));
    return decoded;
  }
}

/** What decodeURIComponent takes: escapes are bytes, and these are UTF-8 (RFC 3629, 4). */
const DECODABLE = new RegExp(
  '^(?:[^%]|%[0-7]H|%(?:C[2-9A-F]|DH)T|%E0%[AB]HT|%E[1-9A-CEF]TT|%ED%[89]HT|%F0%[9AB]HTT|%F[1-3]TTT|%F4%8HTT)*$'
    .replaceAll('T', '%[89AB]H')
    .replaceAll('H', '[0-9A-F]'),
  'i',
);

/** A text that can't be decoded stays as it is. Checked first, because an exception is slower than everything else. */
function decode(text: string): string {
  return text.includes('%') && DECODABLE.test(text) ? decodeURIComponent(text) : text;
}
