/**
 * What an outbound call carries of the lane: the one place that all clients pass, when the headers are final and whoever else adds to
 * them has done so.
 */
import { BAGGAGE_HEADER, removeTag, writeLane, type LaneContext, type OutboundHeaders } from '@lane/core/model';
import type { Outbound } from './outbound.js';
import type { Propagation } from './propagation.js';

/** Where a call may end up, as far as that is understood: a host, all of several, or a name that is not for the DNS. */
export type Reach = string | { readonly hosts: readonly string[] } | { readonly name: string };

/**
 * Puts the lane into outbound headers where it may go. Where it may not, our entry and our headers are taken out, whoever has written
 * them (the app's OpenTelemetry, the app itself, the call that was redirected here); other entries stay as they are.
 *
 * With LANE_BAGGAGE_BOUNDARY=strip all baggage stays here, whoever's it is, where it would go outside; in a lane or not.
 *
 * `reach` undefined: nobody knows where the call leads, and the tag stays at home. `target` is the request's, where that may name a
 * destination of its own.
 */
export function carryLane(
  context: LaneContext | null | undefined,
  { codec, propagation }: Pick<Outbound, 'codec' | 'propagation'>,
  headers: OutboundHeaders,
  reach: Reach | undefined,
  target?: string,
): void {
  if (context !== undefined && context !== null) {
    if (context.tag === undefined || mayReach(propagation, reach, target)) writeLane(context, codec, headers);
    else removeTag(codec, headers);
  }
  if (isStripped(propagation, reach)) headers.remove(BAGGAGE_HEADER);
}

/** Whether all baggage stays here, whoever's it is (LANE_BAGGAGE_BOUNDARY): also where nobody knows where the call leads. */
export function isStripped(propagation: Propagation, reach: Reach | undefined): boolean {
  const { strips } = propagation;
  if (strips === undefined) return false;
  if (reach === undefined) return true;
  if (typeof reach === 'string') return strips(reach);
  return 'name' in reach ? !propagation.allowsNamed(reach.name) : reach.hosts.length === 0 || reach.hosts.some(strips);
}

/** Whether a tag may go to all that a call may reach, and to the host that the request's target names, if it does. */
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
 * The host that a request's target names (RFC 9112, section 3.2): in absolute form, as forward proxies get it, and in authority form, as
 * CONNECT has it. undefined in origin form, where the connection is the destination. What can't be read is given as it stands: no host
 * that a tag may go to.
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
