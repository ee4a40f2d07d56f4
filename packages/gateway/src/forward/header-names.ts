/** Which headers end at the gateway, and which must pass. */

/** Headers of one connection (RFC 9110, 7.6.1), and framing headers, which each side gets anew. */
const OF_CONNECTION: ReadonlySet<string> = new Set([
  'connection',
  'proxy-connection',
  'keep-alive',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
  'http2-settings',
]);

/** Headers that pass even if `Connection` names them: without them it would be another message. */
const NEVER_OF_CONNECTION: ReadonlySet<string> = new Set([
  'content-length',
  'host',
  'content-type',
  'content-encoding',
  'content-range',
  'cookie',
  'set-cookie',
  'authorization',
  'location',
  'cache-control',
  'vary',
  'baggage',
]);

/** Headers that must not be trailers (RFC 9110, 6.5.1): framing, routing, authentication, and processing of the message. */
const NOT_IN_TRAILERS: ReadonlySet<string> = new Set([
  ...OF_CONNECTION,
  ...NEVER_OF_CONNECTION,
  'expect',
  'max-forwards',
  'proxy-authorization',
  'proxy-authenticate',
  'www-authenticate',
  'forwarded',
  'range',
  'age',
  'date',
  'expires',
  'retry-after',
]);

/** Whether a header ends at the gateway. `named` are those that the message's own `Connection` names. Lower case. */
export function endsHere(name: string, named: ReadonlySet<string> | undefined): boolean {
  return OF_CONNECTION.has(name) || (named !== undefined && named.has(name));
}

/** The headers that `Connection` names, in lower case; undefined if there are none besides `keep-alive`, `close` and `upgrade`. */
export function namedByConnection(connection: string | undefined): ReadonlySet<string> | undefined {
  if (connection === undefined || connection === 'keep-alive' || connection === 'close') return undefined;
  const named = new Set<string>();
  for (const item of connection.split(',')) {
    const name = item.trim().toLowerCase();
    if (name !== '' && !NEVER_OF_CONNECTION.has(name)) named.add(name);
  }
  return named;
}

/** Trailers that may be forwarded: name, value, name, value. `isOurs` excludes further headers, by lower-case name. */
export function trailersOf(rawTrailers: readonly string[], isOurs: (name: string) => boolean): Array<[name: string, value: string]> {
  const kept: Array<[string, string]> = [];
  for (let i = 0; i + 1 < rawTrailers.length; i += 2) {
    const name = (rawTrailers[i] as string).toLowerCase();
    if (!name.startsWith(':') && !NOT_IN_TRAILERS.has(name) && !isOurs(name)) kept.push([name, rawTrailers[i + 1] as string]);
  }
  return kept;
}
