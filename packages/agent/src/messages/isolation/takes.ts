/**
 * LANE_MESSAGES=isolate: whose messages a consumer takes. One of a lane takes those of its lane; one of base takes untagged ones,
 * and those of lanes that have no consumer alive. How that is found out, and how a message gets to where it belongs, is the
 * matter of each broker.
 */
import type { Tag } from '@lane/core/model';
import type { Messaging } from '../messaging.js';

const MAX_LANES = 256;

/** Whether a message with this tag is for this consumer. */
export type Takes = (tag: Tag | undefined) => boolean | Promise<boolean>;

/** How a broker is asked. */
export interface Presence {
  /** Whether the lane has a consumer alive; where it rejects, the message is taken: rather twice than not at all. */
  readonly ask: (tag: Tag) => Promise<boolean>;
  /** How long an answer holds, milliseconds. */
  readonly holds: number;
  /** How long a lane must have been seen alive before messages are left to it, milliseconds: what comes meanwhile is handled twice, not lost. */
  readonly settles?: number;
  /** Told when a lane has no consumer any more; for that, one that has is asked for again and again. */
  readonly onGone?: (tag: Tag) => void;
}

/**
 * Where a handler's throw goes that comes after the library has called: `awaited`, to the library, which awaits what its handler gives;
 * else to a function, which does what the library does with a throw where it calls the handler itself.
 */
export type LateThrow = 'awaited' | ((error: unknown) => unknown);

/** Handles a message if it is for this consumer, and leaves it out otherwise: at once where that is known, else later. */
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

/** What a queue or a group of consumers is called in a lane. */
export function nameInLane(name: string, tag: Tag): string {
  return `${name}.lane.${tag}`;
}

/** Decides by the tag of this instance, and in base by asking for the consumers of lanes. */
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
