/**
 * Writes the lane into outbound calls: the one place that all clients pass, when the headers are final and everybody else has added
 * theirs.
 */
import { BAGGAGE_HEADER, removeTag, writeLane, type LaneContext, type OutboundHeaders } from '@lane/core/model';
import type { Outbound } from './outbound.js';
import type { Propagation } from './propagation.js';

/** Where a call may end up, as far as known: a host, any of several, or a name that DNS does not resolve. */
export type Reach = string | { readonly hosts: readonly string[] } | { readonly name: string };

/**
 * Writes the lane into outbound headers if it may go there. If not, removes our entry and our headers, whoever wrote
 * them (the app's OpenTelemetry, the app itself, the call that was redirected here); other entries stay.
 *
 * With LANE_BAGGAGE_BOUNDARY=strip, no baggage leaves for the outside, whoever wrote it, in a lane or not.
 *
 * `reach` undefined: the destination is unknown, and the tag is held back. `target` is the request's, which may name another
 * destination.
 */
export function carryLane(
  context: LaneContext | null | undefined,
  { codec, propagation }: Pick<Outbound, 'codec' | 'propagation'>,
  headers: OutboundHeaders,
  reach: Reach | undefined,
  target?: string,
): void {
  if (context !== undefined && context !== null) {
    // A service that is called by its name: where several lane groups have the tag, its own is meant.
    if (context.tag === undefined || mayReach(propagation, reach, target))
      writeLane(context, codec, headers, typeof reach === 'string' ? reach : undefined);
    else removeTag(codec, headers);
  }
  if (isStripped(propagation, reach)) headers.remove(BAGGAGE_HEADER);
}

/** Whether all baggage is held back, whoever wrote it (LANE_BAGGAGE_BOUNDARY); also if the destination is unknown. */
export function isStripped(propagation: Propagation, reach: Reach | undefined): boolean {
  const { strips } = propagation;
  if (strips === undefined) return false;
  if (reach === undefined) return true;
  if (typeof reach === 'string') return strips(reach);
  return 'name' in reach ? !propagation.allowsNamed(reach.name) : reach.hosts.length === 0 || reach.hosts.some(strips);
}

/** Whether a tag may go to every host that a call may reach, and to the one that the request's target names, if any. */
export function mayReach(propagation: Propagation, reach: Reach | undefined, target: string | undefined): boolean {
  if (reach === undefined) return false;
  const named = target === undefined ? undefined : hostOfRequestTarget(target);
  if (named !== undefined && !propagation.allows(named)) return false;
  if (typeof reach === 'string') return propagation.allows(reach);
  if ('name' in reach) return propagation.allowsNamed(reach.name);
  for (const host of reach.hosts) if (!propagation.allows(host)) return false;
  return reach.hosts.length > 0;
}

const SLASH = 47;
const ASTERISK = 42;

/**
 * The host that a request's target names (RFC 9112, section 3.2): in absolute form, for forward proxies, and in authority form, for
 * CONNECT. undefined in origin form, where the connection is the destination. An unreadable target is returned as it is: a tag may
 * not go there.
 */
export function hostOfRequestTarget(target: string): string | undefined {
  const first = target.charCodeAt(0);
  if (first === SLASH || first === ASTERISK || target === '') return undefined;
  const scheme = target.indexOf('://');
  try {
    const { hostname } = new URL(scheme === -1 ? `http://${target}` : target);
    return hostname === '' ? target : hostname;
  } catch {
    return target;
  }
}
