import type http from 'node:http';
import { currentContext, hasEnteredLane, type LaneContext } from '@lane/core/model';

/** The lane in which a request was made, on the request. */
export const LANE: unique symbol = Symbol('lane.context');

/** null: made outside any lane, and stays there. */
export type Request = http.ClientRequest & { [LANE]?: LaneContext | null; onSocket(socket: unknown, error?: Error): void };

/** Remembers the current lane as that of the request. */
export function rememberLane(request: Request): void {
  const context = currentContext();
  if (context !== undefined) request[LANE] = context;
  else if (hasEnteredLane()) request[LANE] = null;
}
