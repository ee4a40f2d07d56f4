import type { Reach } from '../carry-lane.js';
import type { Address } from '../connecting/connecting.js';

/** The part of a channel that the agent uses. */
export interface Channel {
  getTarget(): string;
  close(): void;
  createCall(...args: unknown[]): unknown;
  getConnectivityState(tryToConnect: boolean): number;
  /** `deadline`: a date, or milliseconds of the wall clock. */
  watchConnectivityState(currentState: number, deadline: Date | number, changed: (error?: Error) => void): void;
  readonly internalChannel: { readonly credentials: object; readonly options: Readonly<Record<string, unknown>> };
}

/** The class of channels. */
export type ChannelClass = new (target: string, credentials: object, options: object) => Channel;

interface Target {
  readonly host: string;
  readonly port: number;
}

const targets = new WeakMap<Channel, Target | null>();

/** A channel's target, such as `dns:host:port`; undefined if it is not an address, such as a Unix socket. Parsed once per channel. */
export function targetOf(channel: Channel): Target | undefined {
  let target = targets.get(channel);
  if (target === undefined) targets.set(channel, (target = parseTarget(channel) ?? null));
  return target ?? undefined;
}

function parseTarget(channel: Channel): Target | undefined {
  const match = /^(?:dns|ipv4|ipv6):(?:\/\/[^/]*\/)?(?:\[([^\]]+)\]|([^:,]+))(?::(\d+))?$/.exec(channel.getTarget());
  return match === null ? undefined : { host: (match[1] ?? match[2]) as string, port: Number(match[3] ?? 443) };
}

const reaches = new WeakMap<Channel, { readonly reach: Reach | undefined }>();

/**
 * Where calls of a channel may end up: with several addresses, at any of them. The schemes are those of gRPC's name resolution
 * (https://github.com/grpc/grpc/blob/master/doc/naming.md); any other belongs to a resolver that the app has registered. Parsed once per channel.
 */
export function reachOf(channel: Channel): Reach | undefined {
  let found = reaches.get(channel);
  if (found === undefined) reaches.set(channel, (found = { reach: parseReach(channel.getTarget()) }));
  return found.reach;
}

function parseReach(text: string): Reach | undefined {
  const match = /^(?:([A-Za-z\d+.-]+):)?(?:\/\/[^/]*\/)?(.+)$/.exec(text);
  if (match === null) return undefined;
  const [, scheme = 'dns', path = ''] = match;
  switch (scheme) {
    case 'unix':
    case 'unix-abstract':
      return 'localhost';
    case 'dns':
      return withoutPort(path);
    case 'ipv4':
    case 'ipv6':
      return { hosts: path.split(',').map(withoutPort) };
    default:
      return { name: withoutPort(path) };
  }
}

function withoutPort(address: string): string {
  if (address.startsWith('[')) return address.slice(1, address.indexOf(']'));
  const colon = address.indexOf(':');
  return colon === -1 || address.indexOf(':', colon + 1) !== -1 ? address : address.slice(0, colon);
}

/** Idle time after which a channel to an instance is closed: the instance may be gone. */
const MAX_SIBLINGS = 64;

/** Longest wait before a channel reconnects: grpc-js would wait two minutes, in which a lane that is back stays empty. */
const MAX_BACKOFF = 'grpc.max_reconnect_backoff_ms';
/** How long an instance is left alone after its first refusal. */
const MAX_BACKOFF_MS = 5_000;

function backoffOf(options: Readonly<Record<string, unknown>>): number {
  const asked = options[MAX_BACKOFF];
  return typeof asked === 'number' ? Math.min(asked, MAX_BACKOFF_MS) : MAX_BACKOFF_MS;
}

/** Keeps our own channels beside an app's, one per instance. */
export function createSiblings(channelClass: ChannelClass): {
  /** `byName`: the channel is to a service's name, which stays the authority and is what TLS is verified against. */
  of(channel: Channel, address: Address, byName: boolean): Channel;
  has(channel: Channel): boolean;
  close(channel: Channel): void;
} {
  const siblings = new WeakMap<Channel, Map<string, Channel>>();
  const made = new WeakSet<Channel>();
  return {
    has: (channel) => made.has(channel),
    of(channel, { ip, port }, byName) {
      let own = siblings.get(channel);
      if (own === undefined) siblings.set(channel, (own = new Map()));
      const target = ip.includes(':') ? `ipv6:[${ip}]:${port}` : `ipv4:${ip}:${port}`;
      let sibling = own.get(target);
      if (sibling !== undefined) return sibling;
      const { credentials, options } = channel.internalChannel;
      const name = targetOf(channel)?.host;
      const named = byName ? { 'grpc.default_authority': name, 'grpc.ssl_target_name_override': name } : {};
      sibling = new channelClass(target, credentials, { ...named, ...options, [MAX_BACKOFF]: backoffOf(options) });
      made.add(sibling);
      own.set(target, sibling);
      const [oldest] = own;
      if (own.size > MAX_SIBLINGS && oldest !== undefined) {
        own.delete(oldest[0]);
        oldest[1].close();
      }
      return sibling;
    },
    close(channel) {
      for (const sibling of siblings.get(channel)?.values() ?? []) sibling.close();
      siblings.delete(channel);
    },
  };
}
