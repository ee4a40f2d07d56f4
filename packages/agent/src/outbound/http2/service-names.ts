import type net from 'node:net';
import { currentContext, LaneUnavailableError, type Tag } from '@lane/core/model';
import type { Destination } from '../destination.js';
import type { Runtime } from '../../boot/runtime.js';
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
export function resolveServiceNames({ destinations }: Runtime): void {
  beforeSocketConnects((socket, options) => {
    if (destinations.isEmpty || typeof options?.host !== 'string' || options.path !== undefined) return undefined;
    const { host, port } = options;
    const tag = currentContext()?.tag;
    const destination = destinations.choose(host, Number(port), tag);
    if (destination === undefined) return undefined;
    const goal: Goal = { tag };
    if (!(destination instanceof Promise)) {
      aim(socket, options, goal, destination);
      return undefined;
    }
    (socket as { [GOAL]?: Goal })[GOAL] = goal;
    const resume = (): void => aim(socket, options, goal, destinations.choose(host, Number(port), tag, true) as never);
    return destination.then(resume, resume);
  });
}

function aim(socket: net.Socket, options: SocketOptions, goal: Goal, destination: Exclude<Destination, Promise<void>>): void {
  if (destination instanceof LaneUnavailableError) {
    process.nextTick(() => socket.destroy(destination));
    return;
  }
  // A given address is left alone here: it is corrected request by request.
  if (destination === undefined || !destination.byName) return;
  const { ip, port } = destination.instance;
  goal.address = { ip, port };
  (socket as { [GOAL]?: Goal })[GOAL] = goal;
  options.host = ip;
  options.port = port;
}
