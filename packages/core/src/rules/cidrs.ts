import { isNetworkText } from './network-syntax.js';

/** Tells whether an address is in one of several networks (IPv4, IPv6, IPv4-mapped IPv6). */
export type CidrTest = (address: string) => boolean;

type IpAddr = typeof import('ipaddr.js');
type Address = ReturnType<IpAddr['parse']>;
type Network = readonly [address: Address, bits: number];

// Loaded only if there are networks: few apps have any, and it costs 2 ms of their start.
const load = (): IpAddr => require('ipaddr.js') as IpAddr;

/** Whether a text is a network in CIDR notation, or a single address; loads nothing. */
export function isCidr(text: string): boolean {
  return isNetworkText(text);
}

/**
 * Creates a test for a list of networks and addresses. Invalid entries are skipped; check with {@link isCidr} before.
 * An IPv4-mapped IPv6 address (`::ffff:10.0.0.1`), as dual-stack sockets report it, counts as the IPv4 address, in networks too;
 * so `0.0.0.0/0` is all of IPv4, and `::/0` everything else.
 */
export function compileCidrs(networks: readonly string[]): CidrTest {
  if (networks.length === 0) return () => false;
  const ip = load();
  const parsed: Network[] = [];
  for (const text of networks) {
    const network = parseNetwork(text, ip);
    if (network !== undefined) parsed.push(network);
  }
  return (address) => {
    const peer = peerOf(address, ip);
    if (peer === undefined) return false;
    for (const [network, bits] of parsed) if (network.kind() === peer.kind() && peer.match(network, bits)) return true;
    return false;
  };
}

/** The last parsed address: all rules of a request use the same one, and parsing takes a hundred times as long as comparing. */
const last: { text: string | undefined; peer: Address | undefined } = { text: undefined, peer: undefined };

function peerOf(text: string, ip: IpAddr): Address | undefined {
  if (text !== last.text) {
    last.peer = unmapped(parseAddress(text, ip));
    last.text = text;
  }
  return last.peer;
}

function parseNetwork(text: string, ip: IpAddr): Network | undefined {
  if (!isNetworkText(text)) return undefined;
  const slash = text.indexOf('/');
  const address = parseAddress(slash === -1 ? text : text.slice(0, slash), ip);
  if (address === undefined) return undefined;
  const bits = slash === -1 ? (address.kind() === 'ipv4' ? 32 : 128) : Number(text.slice(slash + 1));
  if (address.kind() === 'ipv6' && bits >= 96 && (address as InstanceType<IpAddr['IPv6']>).isIPv4MappedAddress())
    return [unmapped(address) as Address, bits - 96];
  return [address, bits];
}

/** An address as sockets report it. Not the short forms of inet_aton, which ipaddr.js accepts too: `10/8` would be 0.0.0.10/8, and 010.0.0.1 be 8.0.0.1. */
function parseAddress(text: string, ip: IpAddr): Address | undefined {
  const isV6 = text.includes(':');
  const dotted = isV6 && text.includes('.') ? text.slice(text.lastIndexOf(':') + 1).replace(/%.*$/s, '') : text;
  if ((!isV6 || dotted !== text) && !ip.IPv4.isValidFourPartDecimal(dotted)) return undefined;
  // ipaddr.js 2.5.0 parses ::10.0.0.1 as ::ffff:10.0.0.1, which is another address.
  if (/^::\d+\./.test(text)) return undefined;
  return ip.isValid(text) ? ip.parse(text) : undefined;
}

function unmapped(address: Address | undefined): Address | undefined {
  return address?.kind() === 'ipv6' && (address as InstanceType<IpAddr['IPv6']>).isIPv4MappedAddress()
    ? (address as InstanceType<IpAddr['IPv6']>).toIPv4Address()
    : address;
}
