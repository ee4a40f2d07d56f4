/**
 * A host as connecting code understands it: `134744072`, `0x08080808` and `010.8.8.8` are 8.8.8.8 to inet_aton, full-width digits
 * and the ideographic full stop are digits and dots to IDNA. The host parser of the WHATWG URL Standard
 * (https://url.spec.whatwg.org/#host-parsing) does all this, without loading anything.
 */

/** What IDNA may turn into a name or an address, beyond ASCII. Made when it is needed, as a literal with `\p{…}` costs each start 0.3 ms. */
let international: RegExp | undefined;

/** Whether a host has only characters of a name. No percent: only a URL decodes it. */
function isNameLike(host: string): boolean {
  if (/^[\w.-]+$/.test(host)) return true;
  international ??= new RegExp('^[\\p{L}\\p{M}\\p{N}.\u3002\uff0e\uff61_-]+$', 'u');
  return international.test(host);
}

/** Longest DNS name (RFC 1035, 2.3.4), with a final dot. */
const MAX_HOST_LENGTH = 254;

/**
 * Writes a host in one way: IPv4 as four decimal numbers, IPv6 without brackets or zone and shortened (RFC 5952), names in lower case and
 * ASCII, without a final dot. undefined: unreadable, so nobody knows where it leads.
 */
export function normalizeHost(host: string): string | undefined {
  if (host === '' || host.length > MAX_HOST_LENGTH) return undefined;
  const bare = host.startsWith('[') && host.endsWith(']') ? host.slice(1, -1) : host;
  if (bare.includes(':')) {
    // A zone (RFC 4007) names the interface of an address; only an interface name may follow.
    const address = bare.replace(/%[\w.-]+$/, '');
    return /^[\da-f:.]+$/i.test(address) ? parse(`[${address}]`)?.slice(1, -1) : undefined;
  }
  if (bare !== host || !isNameLike(bare)) return undefined;
  const name = parse(bare);
  if (name === undefined) return undefined;
  const undotted = name.endsWith('.') ? name.slice(0, -1) : name;
  return undotted === '' || undotted.startsWith('.') || undotted.endsWith('.') || undotted.includes('..') ? undefined : undotted;
}

function parse(host: string): string | undefined {
  try {
    return new URL(`http://${host}/`).hostname;
  } catch {
    return undefined;
  }
}
