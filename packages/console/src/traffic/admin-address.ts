/** Where to request an instance's figures: only at the address that the registry has of it. */
import { isIP, SocketAddress } from 'node:net';
import { isLoopback } from '../access/hosts.js';

/** Whether all given addresses of a registry (`host:port`, comma separated) are on this machine: then loopback instances are, too. */
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

/** An address to request figures from. */
export interface AdminAddress {
  readonly host: string;
  readonly port: number;
}

/**
 * Reads `lane.admin` of an instance; undefined if it leads anywhere but to the instance. Whoever may register an instance controls both values,
 * so:
 * - the host must equal the instance's `ip`, in any spelling; names are rejected, because they could resolve elsewhere later
 * - loopback is accepted only if the registry is on this machine, too (`isLoopbackOurs`): otherwise it means another machine
 * - link-local (where clouds serve secrets), multicast and unspecified addresses are rejected
 */
export function adminAddressOf(admin: string, ip: string, isLoopbackOurs: boolean): AdminAddress | undefined {
  const match = /^(?:\[([0-9a-fA-F:.]{2,45})\]|([0-9.]{7,15})):([1-9]\d{0,4})$/.exec(admin);
  const host = canonical(match?.[1] ?? match?.[2]);
  const port = Number(match?.[3]);
  if (host === undefined || host !== canonical(ip.replace(/^\[(.*)\]$/, '$1')) || port > 65_535) return undefined;
  if (isLoopback(host)) return isLoopbackOurs ? { host, port } : undefined;
  return isOfNoInstance(host) ? undefined : { host, port };
}

/** The canonical spelling of an address; undefined if it is none. IPv4-mapped IPv6 becomes IPv4. */
function canonical(address: string | undefined): string | undefined {
  const family = address === undefined ? 0 : isIP(address);
  if (address === undefined || family === 0 || address.includes('%')) return undefined;
  if (family === 4) return address;
  const written = new SocketAddress({ address, family: 'ipv6' }).address;
  return /^::ffff:(\d+\.\d+\.\d+\.\d+)$/.exec(written)?.[1] ?? written;
}

/** Unspecified, link-local, multicast, reserved and broadcast addresses (RFC 6890, RFC 4291), and those that translate IPv4 (RFC 6052, RFC 3056). */
function isOfNoInstance(host: string): boolean {
  if (isIP(host) === 4) {
    const [a = 0, b = 0] = host.split('.').map(Number);
    return a === 0 || (a === 169 && b === 254) || a >= 224;
  }
  return /^(?:::$|::\d|fe[89ab][0-9a-f]:|ff|64:ff9b:|2002:)/.test(host);
}
