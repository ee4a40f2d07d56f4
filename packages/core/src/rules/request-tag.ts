import type { EntryRules, LaneRules, RequestView } from './types.js';
import type { Carried } from '../context.js';
import type { Tag } from '../names/tag.js';

/** Where a request's tag came from. */
export type TagSource = 'inbound' | 'rule' | 'stamp' | 'none';

/** The tag of a request, and why it has it. */
export interface RequestTag {
  readonly tag: Tag | undefined;
  readonly source: TagSource;
  /** Where `source` is `rule`: `group/lane/rule`. */
  readonly rule?: string;
  /** What the request names tags of other services by. */
  readonly carried?: Carried;
}

/** What decides a request's tag, besides the request itself. */
export interface RequestTagRules {
  /** The lane groups, if known. */
  readonly rules: LaneRules | undefined;
  /** The entry rules of this service, if it is an entry. */
  readonly entry: EntryRules | undefined;
  /** The instance's own tag, if it stamps (LANE_STAMP). */
  readonly stamp: Tag | undefined;
  readonly random: () => number;
}

/**
 * The mark on a request whose tag has been decided. Agent and Express plugin write and read it, even with different copies of
 * this file, so that rules are never applied twice.
 */
export const REQUEST_MARK = Symbol.for('lane.request.v1');

/** Base, without a reason. */
export const NO_TAG: RequestTag = Object.freeze({ tag: undefined, source: 'none' });

/**
 * Which tag a request has: a trusted inbound one, else that of the first entry rule that matches, else the instance's own if it stamps, else none.
 * A tag whose lane is disabled counts as none at each step. `request` is called only if there are entry rules.
 */
export function decideRequestTag(inbound: Tag | undefined, request: () => RequestView, using: RequestTagRules): RequestTag {
  const { rules } = using;
  if (inbound !== undefined && rules?.isDisabledTag(inbound) !== true) return { tag: inbound, source: 'inbound' };
  if (using.entry !== undefined) {
    const match = using.entry.match(request(), using.random);
    if (match !== undefined) return { tag: match.tag, source: 'rule', rule: `${match.group}/${match.lane}/${match.rule}` };
  }
  if (using.stamp !== undefined && rules?.isDisabledTag(using.stamp) !== true) return { tag: using.stamp, source: 'stamp' };
  return NO_TAG;
}
