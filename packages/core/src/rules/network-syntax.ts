/**
 * Syntax of a network: an address of IPv4 (four decimal numbers) or IPv6 (RFC 4291, 2.2), and a length in bits behind a slash
 * (RFC 4632, 3.1). Checked here without a parser, because the agent reads its options before it loads one. It accepts exactly what
 * `cidrs.ts` can parse; a test compares the two.
 */

/** Whether a text is a network in CIDR notation, or a single address. Not the short forms of inet_aton (`10/8`), no zone, no octal numbers. */
export function isNetworkText(text: string): boolean {
  const slash = text.indexOf('/');
  const address = slash === -1 ? text : text.slice(0, slash);
  const isV6 = address.includes(':');
  if (!(isV6 ? isIpv6Text(address) : isIpv4Text(address))) return false;
  return slash === -1 || isNumberUpTo(text.slice(slash + 1), isV6 ? 128 : 32);
}

/** Whether a text is an IPv4 address of four decimal numbers, none with a zero in front. */
export function isIpv4Text(text: string): boolean {
  const parts = text.split('.');
  return parts.length === 4 && parts.every((part) => isNumberUpTo(part, 255));
}

/** Whether a text is an IPv6 address without a zone; the last two groups may be an IPv4 address. */
export function isIpv6Text(text: string): boolean {
  const gap = text.indexOf('::');
  if (gap !== -1 && text.includes('::', gap + 1)) return false;
  // Parsers confuse an IPv4-compatible address (RFC 4291, 2.5.5.1: deprecated) with the IPv4-mapped one.
  if (/^::\d+\./.test(text)) return false;
  const before = groupsOf(gap === -1 ? text : text.slice(0, gap), gap === -1);
  const after = groupsOf(gap === -1 ? '' : text.slice(gap + 2), true);
  if (before === undefined || after === undefined) return false;
  return gap === -1 ? before === 8 : before + after < 8;
}

/** How many groups of 16 bits a text has; undefined if it is malformed. */
function groupsOf(text: string, isLast: boolean): number | undefined {
  if (text === '') return 0;
  const groups = text.split(':');
  const last = groups[groups.length - 1] as string;
  const dotted = isLast && last.includes('.');
  if (dotted) groups.pop();
  if (!groups.every((group) => /^[0-9a-f]{1,4}$/i.test(group))) return undefined;
  if (!dotted) return groups.length;
  return isIpv4Text(last) ? groups.length + 2 : undefined;
}

function isNumberUpTo(text: string, most: number): boolean {
  return /^(?:0|[1-9]\d{0,2})$/.test(text) && Number(text) <= most;
}
