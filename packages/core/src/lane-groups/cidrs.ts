/** Tells whether an address is in one of several networks (IPv4, IPv6, IPv4-mapped IPv6). */
export type CidrTest = (address: string) => boolean;

type IpAddr = typeof import('ipaddr.js');

// Loaded where there are networks to compare with: few apps have any.
const load = (): IpAddr => require('ipaddr.js') as IpAddr;

/** Whether a text is a network in CIDR notation, or a single address. */
export function isCidr(text: string): boolean {
  return parseCidr(text) !== undefined;
}

function parseCidr(text: string): readonly [ReturnType<IpAddr['process']>, number] | undefined {
  const { default: named, ...rest } = load() as IpAddr & { default?: IpAddr };
  const ip = named ?? (rest as IpAddr);
  try {
    if (text.includes('/')) {
      const [address, bits] = ip.parseCIDR(text);
      return [address, bits];
    }
    const address = ip.process(text);
    return [address, address.kind() === 'ipv4' ? 32 : 128];
  } catch {
    return undefined;
  }
}

/** Makes a test for a list of networks. An entry that is none is left out; check with {@link isCidr} before. */
export function compileCidrs(networks: readonly string[]): CidrTest {
  const parsed = networks.flatMap((network) => {
    const cidr = parseCidr(network);
    return cidr === undefined ? [] : [cidr];
  });
  const ip = load();
  return (address) => {
    if (!ip.isValid(address)) return false;
    // IPv4-mapped IPv6 (::ffff:10.0.0.1), as a dual-stack socket has it, is taken for the IPv4 address.
    const peer = ip.process(address);
    return parsed.some(([network, bits]) => network.kind() === peer.kind() && peer.match(network as never, bits));
  };
}
