import { currentContext, type LaneUnavailableError, type SettledVerdict, type Tag } from '@lane/core/model';
import { beforeSocketConnects } from '../../patching/socket-hook.js';
import type { Address, Attempt } from '../connecting/connecting.js';
import { Learning, ROUTE, takeOver, type RoutedOptions } from '../connecting/routed-sockets.js';
import { settled, unavailableError, type Outbound } from '../outbound.js';

const GOAL = Symbol('lane.goal');

/** Where a socket that was given a service name goes. */
export interface Goal {
  readonly tag: Tag | undefined;
  /** Whether the service is being learnt. */
  isPending: boolean;
  /** Absent while it is not known where the socket goes. */
  attempt: Attempt | undefined;
}

/** The goal of a socket, if it was given a service name. */
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

/** From now on sockets that are to connect to a service name connect to an instance of the lane at hand. */
export function resolveServiceNames({ router, connecting }: Pick<Outbound, 'router' | 'connecting'>): void {
  beforeSocketConnects((socket, options: RoutedOptions | undefined) => {
    if (router.isEmpty || typeof options?.host !== 'string' || options.path !== undefined || options[ROUTE] !== undefined) return undefined;
    const { host, port } = options;
    const tag = currentContext()?.tag;
    const verdict = router.judge(host, Number(port), tag);
    // A given address is left alone here: it is corrected request by request.
    if (verdict.kind === 'unknown' || verdict.kind === 'as-is' || (verdict.kind === 'redirect' && !verdict.byName)) return undefined;
    const goal: Goal = { tag, isPending: verdict.kind === 'wait', attempt: undefined };
    withGoal(socket, goal);
    if (verdict.kind === 'redirect') {
      const attempt = (goal.attempt = connecting.begin(verdict));
      options.host = attempt.instance.ip;
      options.port = attempt.instance.port;
      return takeOver(connecting, attempt, socket, options);
    }
    const settle = (): Attempt | LaneUnavailableError | undefined => {
      const found: SettledVerdict = verdict.kind === 'wait' ? settled(router.judge(host, Number(port), tag, true)) : verdict;
      goal.isPending = false;
      if (found.kind === 'unavailable') return unavailableError(found);
      if (found.kind === 'redirect') goal.attempt = connecting.begin(found);
      return goal.attempt;
    };
    const until = verdict.kind === 'wait' ? verdict.until : Promise.resolve();
    return takeOver(connecting, new Learning(host, Number(port), tag, until, settle), socket, options);
  });
}
