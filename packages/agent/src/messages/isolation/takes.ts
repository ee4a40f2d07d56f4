/**
 * LANE_MESSAGES=isolate: whose messages a consumer takes. A lane's consumer takes those of its lane; base's takes untagged ones,
 * and those of lanes without a live consumer. Each broker's file knows how to find that out, and how a message gets to its
 * lane.
 */
import type { Tag } from '@lane/core/model';
import type { Messaging } from '../messaging.js';

const MAX_LANES = 256;

/** Whether a message with this tag is for this consumer. */
export type Takes = (tag: Tag | undefined) => boolean | Promise<boolean>;

/** How to ask a broker. */
export interface Presence {
  /** Whether the lane has a live consumer; if it rejects, the message is taken: better twice than not at all. */
  readonly ask: (tag: Tag) => Promise<boolean>;
  /** How long an answer is valid, in milliseconds. */
  readonly holds: number;
  /** How long a lane must have been seen alive before messages are left to it, in milliseconds: until then they are handled twice, not lost. */
  readonly settles?: number;
  /** Called when a lane loses its last consumer; lanes with one are polled for that. */
  readonly onGone?: (tag: Tag) => void;
}

/**
 * Where an error of a handler goes after the library's call has returned. `awaited`: to the library, which awaits the handler's result.
 * Otherwise to a function that does what the library does if the handler throws.
 */
export type LateThrow = 'awaited' | ((error: unknown) => unknown);

/** Handles a message if it is for this consumer, and skips it otherwise: at once if that is known, else later. */
export function handleTaken(taken: ReturnType<Takes>, handle: () => unknown, leaveOut: () => unknown, thrown: LateThrow): unknown {
  if (taken === true) return handle();
  if (taken === false) return leaveOut();
  return taken.then((isTaken) => {
    if (!isTaken) return leaveOut();
    if (thrown === 'awaited') return handle();
    try {
      return handle();
    } catch (error) {
      return thrown(error);
    }
  });
}

/** The name of a queue or a group of consumers in a lane. */
export function nameInLane(name: string, tag: Tag): string {
  return `${name}.lane.${tag}`;
}

/** Decides by this instance's tag; base also asks for the consumers of lanes. */
export function createTakes(
  { options, log }: Pick<Messaging, 'options' | 'log'>,
  what: string,
  { ask, holds, settles = 0, onGone }: Presence,
  now: () => number = Date.now,
): Takes {
  const own = options.tag;
  if (own !== undefined) return (tag) => tag === own;

  const lanes = new Map<Tag, { answer: Promise<boolean>; asked: number; aliveSince: number | undefined; timer?: NodeJS.Timeout }>();
  const known = async (tag: Tag): Promise<boolean> => {
    let lane = lanes.get(tag);
    if (lane === undefined || now() - lane.asked >= holds) {
      const aliveSince = lane?.aliveSince;
      const answer = ask(tag).catch((error: unknown) => {
        log.once(`presence ${what}`, 'warn', `LANE_MESSAGES=isolate: ${what} can't tell which lanes have consumers; base takes their messages`, {
          error: error instanceof Error ? error.message : String(error),
        });
        return false;
      });
      lane = { answer, asked: now(), aliveSince };
      if (lanes.size >= MAX_LANES) lanes.clear();
      lanes.set(tag, lane);
    }
    const alive = await lane.answer;
    if (alive && onGone !== undefined) lane.timer ??= setTimeout(() => void known(tag), holds).unref();
    if (!alive && lane.aliveSince !== undefined) onGone?.(tag);
    lane.aliveSince = alive ? (lane.aliveSince ?? now()) : undefined;
    return lane.aliveSince !== undefined && now() - lane.aliveSince >= settles;
  };
  return (tag) => tag === undefined || known(tag).then((alive) => !alive);
}
