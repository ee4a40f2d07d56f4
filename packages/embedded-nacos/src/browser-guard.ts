/**
 * Keeps web pages out. A browser lets any page send requests to this machine, and a page may point a name of its own here (DNS
 * rebinding). Nacos clients are not browsers: they send no Origin, and use names that no stranger can own.
 */
import type { IncomingHttpHeaders } from 'node:http';
import { isIP } from 'node:net';

/** Suffixes that do not exist in public DNS: RFC 6761, RFC 6762, RFC 8375, ICANN's `internal`, and Kubernetes' own. */
const PRIVATE_SUFFIXES = ['localhost', 'local', 'internal', 'test', 'home.arpa', 'svc', 'cluster.local'];

/** Creates the check of requests: it returns what is wrong, in one sentence with the remedy, or undefined. `allowed`: more names of ours. */
export function createBrowserGuard(allowed: readonly string[]): (headers: IncomingHttpHeaders) => string | undefined {
  const names = new Set(allowed.map((name) => name.toLowerCase()));
  return (headers) => {
    const { host, origin } = headers;
    // HTTP/1.0 needs no Host, and no browser omits it.
    if (host !== undefined) {
      const name = nameOf(host);
      if (name === undefined || !(names.has(name) || isPrivateName(name))) {
        return `the embedded Nacos does not answer to the name ${JSON.stringify(host)}: use an address or a private name, or allow this one (allowedHosts)`;
      }
    }
    const site = headers['sec-fetch-site'];
    const isOthersPage = (site !== undefined && site !== 'same-origin' && site !== 'none') || (origin !== undefined && origin !== `http://${host}`);
    return isOthersPage ? 'the embedded Nacos does not take requests of web pages: send this one from a program' : undefined;
  };
}

/** Whether nobody outside can point this name here: an address, a name without a dot, or one in a private zone. */
function isPrivateName(name: string): boolean {
  if (name.startsWith('[') || isIP(name) !== 0 || !name.includes('.')) return true;
  return PRIVATE_SUFFIXES.some((suffix) => name.endsWith(`.${suffix}`));
}

/** The name in a Host header, in lower case, without port and trailing dot. */
function nameOf(host: string): string | undefined {
  const match = /^(\[[0-9a-fA-F:.]+\]|[^:[\]\s/@]+?)\.?(?::\d{1,5})?$/.exec(host);
  return match?.[1]?.toLowerCase();
}

/** Whether an address to listen on is reachable only from this machine. */
export function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || (isIP(host) === 4 && host.startsWith('127.'));
}
