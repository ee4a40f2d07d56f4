/** Which names the console answers to. On loopback, this protects against DNS rebinding: other sites can make their names resolve to it. */
import type { IncomingMessage } from 'node:http';
import { isIP } from 'node:net';

/** Whether an address is of this machine alone. */
export function isLoopback(host: string): boolean {
  const name = host.toLowerCase().replace(/^\[|\]$/g, '');
  return name === 'localhost' || name.endsWith('.localhost') || name === '::1' || (isIP(name) === 4 && name.startsWith('127.'));
}

/** The name in a Host header, in lower case, without port; undefined if it is invalid. */
export function nameOfHost(header: string | undefined): string | undefined {
  const match = /^(\[[0-9a-fA-F:.]+\]|[^:[\]\s/@]+)(?::\d{1,5})?$/.exec(header ?? '');
  return match?.[1]?.toLowerCase();
}

/**
 * The authority that a request names, in the form of Host; undefined if it names none, or two. A target in absolute form
 * (`GET http://host/path`) takes precedence over Host (RFC 9112, 3.2.2), so the two must agree: otherwise two readers could disagree.
 */
export function authorityOf({ url = '', rawHeaders }: Pick<IncomingMessage, 'url' | 'rawHeaders'>): string | undefined {
  // Of several Host headers, `headers` has only the first.
  const hosts = rawHeaders.filter((_, i) => i % 2 === 1 && rawHeaders[i - 1]?.toLowerCase() === 'host');
  const [host] = hosts;
  if (hosts.length !== 1 || host === undefined) return undefined;
  if (url.startsWith('/') || url === '*') return host;
  const named = /^https?:\/\/([^/?#]*)/i.exec(url)?.[1];
  return named?.toLowerCase() === host.toLowerCase() ? host : undefined;
}

/**
 * Creates the test of Host headers. On loopback, it accepts only loopback names and those in `allowed`. Beyond loopback, it accepts any name unless
 * `allowed` has some, because requests need a token there, which other sites do not have.
 */
export function createHostTest(listening: string, allowed: readonly string[]): (header: string | undefined) => boolean {
  const names = new Set(allowed.map((name) => name.toLowerCase()));
  const isOpen = !isLoopback(listening) && names.size === 0;
  return (header) => {
    const name = nameOfHost(header);
    return name !== undefined && (isOpen || names.has(name) || isLoopback(name));
  };
}
