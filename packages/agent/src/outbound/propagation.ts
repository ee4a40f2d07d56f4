import type { AgentOptions } from '@lane/core/agent';
import type { AgentLog } from '../boot/log.js';
import { normalizeHost } from './host-name.js';

/** Decides where tags are sent (LANE_PROPAGATE_TO). */
export interface Propagation {
  /** Whether a tag may go to this host. Unreadable hosts get none. */
  allows(host: string): boolean;
  /**
   * Whether a tag may go where something other than DNS resolves this name, such as the app's own resolver: only if the name is in
   * LANE_PROPAGATE_TO or the registry knows it, because its look says nothing about where it leads.
   */
  allowsNamed(name: string): boolean;
  /** Whether others' baggage is held back, too (LANE_BAGGAGE_BOUNDARY); undefined: not configured. */
  readonly strips: ((host: string) => boolean) | undefined;
}

const MAX_REMEMBERED_HOSTS = 1000;

/** The options about what may leave. */
type PropagationOptions = Pick<AgentOptions, 'propagateTo' | 'baggageBoundary'>;

/**
 * Creates the decision table. Each host is judged once. `isKnown`: instances live there, or it is a service name. Whether baggage may cross
 * a trust boundary by default is open in the specification (open-telemetry/opentelemetry-specification#3957).
 */
export function createPropagation(
  { propagateTo: to, baggageBoundary }: PropagationOptions,
  isKnown: (host: string) => boolean,
  log: AgentLog,
): Propagation {
  if (to === 'all') return { allows: () => true, allowsNamed: () => true, strips: undefined };
  const patterns = to === 'internal' ? [] : to;
  const remembered = new Map<string, boolean>();

  const isListed = (name: string): boolean => patterns.some((pattern) => matchesPattern(name, pattern));

  function decide(host: string): boolean {
    const name = normalizeHost(host);
    const allowed = name !== undefined && (isInternal(name) || isListed(name));
    if (remembered.size < MAX_REMEMBERED_HOSTS) remembered.set(host, allowed);
    return allowed;
  }

  const isInside = (host: string): boolean => (remembered.get(host) ?? decide(host)) || isKnown(host);
  return {
    strips: baggageBoundary === 'strip' ? (host) => !isInside(host) : undefined,
    allows(host) {
      const allowed = isInside(host);
      if (!allowed) {
        log.once(
          `held back ${host}`,
          'warn',
          `the lane tag is not sent to ${host}: it does not look internal. If it is part of the call chain, add it: LANE_PROPAGATE_TO=${host}`,
        );
      }
      return allowed;
    },
    allowsNamed(name) {
      const allowed = isListed(name.toLowerCase()) || isKnown(name);
      if (!allowed) {
        log.once(
          `held back ${name}`,
          'warn',
          `the lane tag is not sent to ${name}: the app's own resolver decides where it leads. If it is part of the call chain, add it: LANE_PROPAGATE_TO=${name}`,
        );
      }
      return allowed;
    },
  };
}

/** `*.example.com` matches the names below example.com, anything else only itself. */
function matchesPattern(host: string, pattern: string): boolean {
  return pattern.startsWith('*.') ? host.endsWith(pattern.slice(1)) : host === pattern;
}

const INTERNAL_SUFFIXES = ['.svc', '.local', '.internal', '.cluster.local', '.localhost'];

/**
 * Loopback, private and link-local addresses in any spelling, single-label names, and the suffixes of cluster and private DNS.
 * An unreadable host is not internal.
 */
export function isInternalHost(host: string): boolean {
  const name = normalizeHost(host);
  return name !== undefined && isInternal(name);
}

/** `name` as returned by `normalizeHost`. */
function isInternal(name: string): boolean {
  if (name.includes(':')) return isInternalIpv6(name);
  const v4 = /^(\d+)\.(\d+)\.\d+\.\d+$/.exec(name);
  if (v4 !== null) return isInternalIpv4(Number(v4[1]), Number(v4[2]));
  return !name.includes('.') || INTERNAL_SUFFIXES.some((suffix) => name.endsWith(suffix));
}

function isInternalIpv4(first: number, second: number): boolean {
  return (
    first === 127 ||
    first === 10 ||
    first === 0 ||
    (first === 172 && second >= 16 && second <= 31) ||
    (first === 192 && second === 168) ||
    (first === 169 && second === 254) ||
    // Shared address space (RFC 6598): where cloud providers put pods and load balancers.
    (first === 100 && second >= 64 && second <= 127)
  );
}

function isInternalIpv6(address: string): boolean {
  const mapped = /^::ffff:([\da-f]+):[\da-f]+$/.exec(address);
  if (mapped !== null) {
    const high = parseInt(mapped[1] as string, 16);
    return isInternalIpv4(high >> 8, high & 255);
  }
  if (address === '::1' || address === '::') return true;
  const first = address.startsWith(':') ? 0 : parseInt(address, 16);
  // Unique local (RFC 4193) and link-local (RFC 4291).
  return (first & 0xfe00) === 0xfc00 || (first & 0xffc0) === 0xfe80;
}
