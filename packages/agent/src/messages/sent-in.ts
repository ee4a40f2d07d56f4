/** Messages that somebody between the app and its client keeps for a while: what goes with a message tells in which lane it was handed in. */
import type { LaneContext } from '@lane/core/model';

/** By a symbol: what copies options copies it. */
const LANE = Symbol('lane.context');

interface Options {
  readonly [LANE]?: LaneContext;
}

/** A copy of a message's options that tells the lane it was handed in. */
export function sentIn(context: LaneContext, options: object | undefined): object {
  return { ...options, [LANE]: context };
}

/** The lane that a message was handed in, where its options tell one. */
export function laneOfOptions(options: unknown): LaneContext | undefined {
  return typeof options === 'object' && options !== null ? (options as Options)[LANE] : undefined;
}
