/** Where an instance may be asked for its figures: at the very address that the registry has of it, and nowhere else. */
import { isIP, SocketAddress } from 'node:net';
import { isLoopback } from '../access/hosts.js';

/** Whether a registry is on this machine, by all the addresses given of it (`host:port`, comma separated): then its loopback is ours. */
export function isLoopbackServer(server: string): boolean {
  return server.split(',').every((address) =>
    isLoopback(
      address
        .trim()
        .replace(/^https?:\/\//, '')
        .replace(/\/.*$/, '')
        .replace(/:\d+$/, ''),
    ),
  );
}

/** Where to ask. */
export interface AdminAddress {
  readonly host: string;
  readonly port: number;
}

/**
 * Reads `lane.admin` of an instance; undefined where it leads anywhere but to the instance. Whoever may register an instance decides both,
 * so:
 * - its host is the instance's `ip`, in whatever spelling; no names, which could lead elsewhere by the time they are asked for
 * - loopback is taken where the registry is on this machine, too (`isLoopbackOurs`): another machine's loopback is not ours
 * - link-local addresses (clouds tell secrets there), multicast and the unspecified address are those of no instance
 */
export function adminAddressOf(admin: string, ip: string, isLoopbackOurs: boolean): AdminAddress | undefined {
  const match = /^(?:\[([0-9a-fA-F:.]{2,45})\]|([0-9.]{7,15})):([1-9]\d{0,4})$/.exec(admin);
  const host = canonical(match?.[1] ?? match?.[2]);
  const port = Number(match?.[3]);
  if (host === undefined || host !== canonical(ip.replace(/^\[(.*)\]$/, '$1')) || port > 65_535) return undefined;
  if (isLoopback(host)) return isLoopbackOurs ? { host, port } : undefined;
  return isOfNoInstance(host) ? undefined : { host, port };
}

/** One spelling for each address; undefined for what is none. IPv4 in IPv6 is what it stands for. */
function canonical(address: string | undefined): string | undefined {
  const family = address === undefined ? 0 : isIP(address);
  if (address === undefined || family === 0 || address.includes('%')) return undefined;
  if (family === 4) return address;
  const written = new SocketAddress({ address, family: 'ipv6' }).address;
  return /^::ffff:(\d+\.\d+\.\d+\.\d+)$/.exec(written)?.[1] ?? written;
}

/** RFC 6890, RFC 4291: unspecified, link-local, multicast, reserved and broadcast; and what translates IPv4 (RFC 6052, RFC 3056). */
function isOfNoInstance(host: string): boolean {
  if (isIP(host) === 4) {
    const [a = 0, b = 0] = host.split('.').map(Number);
    return a === 0 || (a === 169 && b === 254) || a >= 224;
  }
  return /^(?:::$|::\d|fe[89ab][0-9a-f]:|ff|64:ff9b:|2002:)/.test(host);
}
