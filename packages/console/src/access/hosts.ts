/** Which names the console answers to. On loopback this is what keeps web pages of others out: they can make a name of theirs lead here. */
import type { IncomingMessage } from 'node:http';
import { isIP } from 'node:net';

/** Whether an address is of this machine alone. */
export function isLoopback(host: string): boolean {
  const name = host.toLowerCase().replace(/^\[|\]$/g, '');
  return name === 'localhost' || name.endsWith('.localhost') || name === '::1' || (isIP(name) === 4 && name.startsWith('127.'));
}

/** The name in a Host header, in lower case, without port; undefined where it is none. */
export function nameOfHost(header: string | undefined): string | undefined {
  const match = /^(\[[0-9a-fA-F:.]+\]|[^:[\]\s/@]+)(?::\d{1,5})?$/.exec(header ?? '');
  return match?.[1]?.toLowerCase();
}

/**
 * The authority that a request names, as it would stand in Host; undefined where it names none, or two. A target in absolute form
 * (`GET http://host/path`) stands above Host (RFC 9112, 3.2.2), and whoever sends both sends the same: otherwise two readers would have
 * two readings.
 */
export function authorityOf({ url = '', rawHeaders }: Pick<IncomingMessage, 'url' | 'rawHeaders'>): string | undefined {
  // Of several, `headers` has the first only.
  const hosts = rawHeaders.filter((_, i) => i % 2 === 1 && rawHeaders[i - 1]?.toLowerCase() === 'host');
  const [host] = hosts;
  if (hosts.length !== 1 || host === undefined) return undefined;
  if (url.startsWith('/') || url === '*') return host;
  const named = /^https?:\/\/([^/?#]*)/i.exec(url)?.[1];
  return named?.toLowerCase() === host.toLowerCase() ? host : undefined;
}

/**
 * Makes the test for Host headers. On loopback only names of loopback are taken, and those in `allowed`; beyond, any one is, unless
 * there are names in `allowed`: a token is needed there, which a page of somebody else does not have.
 */
export function createHostTest(listening: string, allowed: readonly string[]): (header: string | undefined) => boolean {
  const names = new Set(allowed.map((name) => name.toLowerCase()));
  const isOpen = !isLoopback(listening) && names.size === 0;
  return (header) => {
    const name = nameOfHost(header);
    return name !== undefined && (isOpen || names.has(name) || isLoopback(name));
  };
}
