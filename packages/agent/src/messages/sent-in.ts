/** Messages that something between the app and its client holds for a while: the message's options record the lane in which it was handed in. */
import type { LaneContext } from '@lane/core/model';
import { copyWith } from '../patching/copy-with.js';

/** A symbol, which is copied together with the options. */
const LANE = Symbol('lane.context');

interface Options {
  readonly [LANE]?: LaneContext;
}

/** A copy of a message's options that records the lane it was handed in. */
export function sentIn(context: LaneContext, options: object | undefined): object {
  return copyWith(options, LANE, context);
}

/** The lane that a message was handed in, if its options record one. */
export function laneOfOptions(options: unknown): LaneContext | undefined {
  return typeof options === 'object' && options !== null ? (options as Options)[LANE] : undefined;
}
