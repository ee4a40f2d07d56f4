import type { AgentOptions } from '@lane/core/agent';
import type { AgentLog } from '../boot/log.js';

/** Decides where tags are sent (LANE_PROPAGATE_TO). */
export interface Propagation {
  /** Whether a tag may go to this host. */
  allows(host: string): boolean;
}

const MAX_REMEMBERED_HOSTS = 1000;

/** Makes the decision table. A host is thought about once. `isKnown`: instances live there, or it is a service name. */
export function createPropagation(to: AgentOptions['propagateTo'], isKnown: (host: string) => boolean, log: AgentLog): Propagation {
  if (to === 'all') return { allows: () => true };
  const patterns = to === 'internal' ? [] : to;
  const remembered = new Map<string, boolean>();

  function decide(host: string): boolean {
    const name = host.toLowerCase();
    const allowed = isInternalHost(name) || patterns.some((pattern) => matchesPattern(name, pattern));
    if (remembered.size < MAX_REMEMBERED_HOSTS) remembered.set(host, allowed);
    return allowed;
  }

  return {
    allows(host) {
      const allowed = (remembered.get(host) ?? decide(host)) || isKnown(host);
      if (!allowed) {
        log.once(
          `held back ${host}`,
          'warn',
          `the lane tag is not sent to ${host}: it does not look internal. If it is part of the call chain, add it: LANE_PROPAGATE_TO=${host}`,
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

/** Loopback, private and link-local addresses, single-label names, and the suffixes of cluster and private DNS. `host` in lower case. */
export function isInternalHost(host: string): boolean {
  const bare = host.startsWith('[') && host.endsWith(']') ? host.slice(1, -1) : host;
  const v4 = /^(?:::ffff:)?(\d{1,3})\.(\d{1,3})\.\d{1,3}\.\d{1,3}$/.exec(bare);
  if (v4 !== null) {
    const first = Number(v4[1]);
    const second = Number(v4[2]);
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
  if (bare.includes(':')) return bare === '::1' || bare === '::' || /^f[cd]/.test(bare) || /^fe[89ab]/.test(bare);
  const name = bare.endsWith('.') ? bare.slice(0, -1) : bare;
  return !name.includes('.') || INTERNAL_SUFFIXES.some((suffix) => name.endsWith(suffix));
}
