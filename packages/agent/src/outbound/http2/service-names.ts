import type net from 'node:net';
import { currentContext, type LaneUnavailableError, type SettledVerdict, type Tag } from '@lane/core/model';
import { beforeSocketConnects } from '../../patching/socket-hook.js';
import type { Address, Attempt } from '../connecting/connecting.js';
import { Learning, ROUTE, takeOver, type RoutedOptions } from '../connecting/routed-sockets.js';
import { settled, unavailableError, type Outbound } from '../outbound.js';
import { offersHttp2, sessionOn } from './sessions.js';

const GOAL = Symbol('lane.goal');

/** Where a socket to a service name goes. */
export interface Goal {
  readonly tag: Tag | undefined;
  /** Whether the service is being learnt. */
  isPending: boolean;
  /** Absent while the destination is unknown. */
  attempt: Attempt | undefined;
}

/** The goal of a socket, if it connects to a service name. */
export function goalOf(socket: object | undefined): Goal | undefined {
  return (socket as { [GOAL]?: Goal } | undefined)?.[GOAL];
}

/** Gives a socket its goal. */
export function withGoal<S extends object>(socket: S, goal: Goal): S {
  return Object.assign(socket, { [GOAL]: goal });
}

/** The instance that a socket is on its way to. */
export function addressOfGoal({ attempt }: Goal): Address | undefined {
  return attempt?.instance;
}

/**
 * From now on, http2 sockets to a service name connect to an instance of the current lane. http2 creates the session after its
 * socket, in the same turn, so the name's look-up can tell them from other connections to the name, in any protocol.
 */
export function resolveServiceNames({ router, connecting }: Pick<Outbound, 'router' | 'connecting'>): void {
  beforeSocketConnects((socket: net.Socket, options: RoutedOptions | undefined) => {
    if (router.isEmpty || typeof options?.host !== 'string' || options.path !== undefined || options[ROUTE] !== undefined) return undefined;
    const { host, port } = options;
    const tag = currentContext()?.tag;
    const offered = offersHttp2(options);
    // undici connects to a proxy under the target's name, and an app's database may have the name of a service.
    const verdict = router.judge(host, Number(port), tag, false, offered);
    // An address is left alone here: it is corrected request by request.
    if (verdict.kind === 'unknown' || verdict.kind === 'as-is' || (verdict.kind === 'redirect' && !verdict.byName)) return undefined;
    const attempt = verdict.kind === 'redirect' ? connecting.begin(verdict) : undefined;
    const goal: Goal = { tag, isPending: verdict.kind === 'wait', attempt };
    withGoal(socket, goal);
    const isHttp2 = (): boolean => offered || sessionOn(socket) !== undefined;
    const settle = (): Attempt | LaneUnavailableError | undefined => {
      if (!isHttp2()) return undefined;
      if (attempt !== undefined) return attempt;
      const found: SettledVerdict = verdict.kind === 'wait' ? settled(router.judge(host, Number(port), tag, true)) : verdict;
      goal.isPending = false;
      if (found.kind === 'unavailable') return unavailableError(found);
      if (found.kind === 'redirect') goal.attempt = connecting.begin(found);
      return goal.attempt;
    };
    const until = Promise.resolve().then(() => (verdict.kind === 'wait' && isHttp2() ? verdict.until : undefined));
    return takeOver(connecting, new Learning(host, Number(port), tag, until, settle), socket, options);
  });
}
