/**
 * agenda 5: a one-time job belongs to the request that made it. Its tag is stored under `lane` beside its data, and it runs in that lane
 * on any instance. Recurring jobs belong to no request: they run in the lane of the background, whoever scheduled them.
 * Limits: any instance takes any job; the store of agenda 6 drops unknown fields, and its data belongs to the app.
 */
import { handleInLane, laneOfMessage, withLane, type MessageHeaders } from '../messages/messages.js';
import { inBackground } from '../patching/in-background.js';
import type { LoadedFile } from '../patching/instrumentation.js';
import { safely } from '../patching/safely.js';
import { wrap } from '../patching/wrap.js';

interface Job {
  readonly attrs: {
    readonly _id?: unknown;
    readonly repeatInterval?: unknown;
    readonly repeatAt?: unknown;
    readonly unique?: unknown;
    lane?: MessageHeaders | null;
  };
}

export function patch({ exports, runtime }: LoadedFile): void {
  const { prototype } = (exports as { Job: { prototype: object } }).Job;
  const addLane = safely('agenda', ({ attrs }: Job) => {
    // A stored job belongs to whoever stored it first.
    if ((attrs._id !== undefined && attrs._id !== null) || isRecurring(attrs)) return;
    const lane = withLane({}, runtime);
    if (Object.keys(lane).length > 0) attrs.lane = lane;
    // It may replace one of another lane.
    else if (attrs.unique) attrs.lane = null;
  });
  wrap(prototype, 'save', (original) => {
    return function save(this: Job, ...args: never[]): unknown {
      addLane(this);
      return Reflect.apply(original, this, args);
    };
  });
  const laneOf = safely('agenda', ({ attrs }: Job) => (isRecurring(attrs) ? undefined : laneOfMessage(attrs.lane, runtime)));
  wrap(prototype, 'run', (original) => {
    return function run(this: Job, ...args: never[]): unknown {
      const context = laneOf(this);
      return context === undefined ? inBackground(original, this, args) : handleInLane(context, original, this, args);
    };
  });
}

function isRecurring({ repeatInterval, repeatAt }: Job['attrs']): boolean {
  return Boolean(repeatInterval) || Boolean(repeatAt);
}
