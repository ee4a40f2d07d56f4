import type net from 'node:net';
import { currentContext, type SettledVerdict, type Tag } from '@lane/core/model';
import { settled, unavailableError, type Outbound } from '../outbound.js';
import { beforeSocketConnects, type SocketOptions } from '../../patching/socket-hook.js';

const GOAL = Symbol('lane.goal');

/** Where a socket that was given a service name goes. */
export interface Goal {
  readonly tag: Tag | undefined;
  /** Absent while the service is being learnt. */
  address?: { readonly ip: string; readonly port: number };
}

/** The goal of a socket, if it was given a service name. */
export function goalOf(socket: object | undefined): Goal | undefined {
  return (socket as { [GOAL]?: Goal } | undefined)?.[GOAL];
}

/** From now on sockets that are to connect to a service name connect to an instance of the lane at hand. */
export function resolveServiceNames({ router }: Pick<Outbound, 'router'>): void {
  beforeSocketConnects((socket, options) => {
    if (router.isEmpty || typeof options?.host !== 'string' || options.path !== undefined) return undefined;
    const { host, port } = options;
    const tag = currentContext()?.tag;
    const verdict = router.judge(host, Number(port), tag);
    if (verdict.kind === 'unknown') return undefined;
    const goal: Goal = { tag };
    if (verdict.kind !== 'wait') {
      aim(socket, options, goal, verdict);
      return undefined;
    }
    (socket as { [GOAL]?: Goal })[GOAL] = goal;
    const resume = (): void => aim(socket, options, goal, settled(router.judge(host, Number(port), tag, true)));
    return verdict.until.then(resume, resume);
  });
}

function aim(socket: net.Socket, options: SocketOptions, goal: Goal, verdict: SettledVerdict): void {
  if (verdict.kind === 'unavailable') {
    process.nextTick(() => socket.destroy(unavailableError(verdict)));
    return;
  }
  // A given address is left alone here: it is corrected request by request.
  if (verdict.kind !== 'redirect' || !verdict.byName) return;
  const { ip, port } = verdict.instance;
  goal.address = { ip, port };
  (socket as { [GOAL]?: Goal })[GOAL] = goal;
  options.host = ip;
  options.port = port;
}
