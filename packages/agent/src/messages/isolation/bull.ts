/**
 * Isolation in bull, by what workers tell each other in Redis.
 *
 * Limits: a job that was put back has been `delayed` meanwhile, and is behind others; the queue's `limiter` counts it.
 */
import type { Messaging } from '../messaging.js';
import { wrap } from '../../patching/wrap.js';
import type { Takes } from './takes.js';
import { announceWorker, deciderOf, TRY_AGAIN_MS, type Redis, type WorkerKind } from './workers-in-redis.js';

export { handleTaken } from './takes.js';

interface Queue {
  readonly name: string;
  readonly client: Redis;
  isReady(): Promise<unknown>;
  toKey(type: string): string;
}
/** A job that a worker has taken. */
export interface TakenJob {
  moveToDelayed(timestamp: number): Promise<void>;
}

const KIND: WorkerKind<Queue> = {
  library: 'bull',
  redisOf: async (queue) => {
    await queue.isReady();
    return queue.client;
  },
  queueOf: ({ name }) => name,
  keyOf: (queue, name) => queue.toKey(name),
};

/** Isolates queues of this class, which are also their workers. Returns the function that tells one which jobs are for it. */
export function isolateQueues(prototype: object, runtime: Messaging): (queue: Queue) => Takes {
  const own = runtime.options.tag;
  if (own !== undefined) {
    const announced = new WeakMap<Queue, () => void>();
    // Once for each job name.
    wrap(prototype, 'process', (original) => {
      return function process(this: Queue, ...args: never[]): unknown {
        if (!announced.has(this)) announced.set(this, announceWorker(this, own, KIND, runtime));
        return Reflect.apply(original, this, args);
      };
    });
    wrap(prototype, 'close', (original) => {
      return function close(this: Queue, ...args: never[]): unknown {
        announced.get(this)?.();
        announced.delete(this);
        return Reflect.apply(original, this, args);
      };
    });
  }
  return deciderOf(KIND, runtime);
}

/** Puts a job back for a worker of its lane. Returns what a worker does without a job: it looks for the next one. */
export async function putBack(job: TakenJob, { log }: Messaging): Promise<undefined> {
  try {
    await job.moveToDelayed(Date.now() + TRY_AGAIN_MS);
  } catch (error) {
    // Another worker has it by now, or bull's check for stalled jobs finds it.
    log.debug('could not put a bull job back into its queue', { error: (error as Error).message });
  }
}
