/**
 * Isolation in BullMQ, by what workers tell each other in Redis.
 *
 * Limits: a job that was put back has been `delayed` meanwhile, and is behind others; `attemptsStarted` counts it.
 */
import type { Messaging } from '../messaging.js';
import { wrap } from '../../patching/wrap.js';
import type { Takes } from './takes.js';
import { announceWorker, deciderOf, TRY_AGAIN_MS, type Redis, type WorkerKind } from './workers-in-redis.js';

export { handleTaken } from './takes.js';

interface Worker {
  readonly name: string;
  readonly client?: Promise<Redis>;
  getBackend?(): { readonly client: Promise<Redis> };
  toKey(type: string): string;
  once(event: 'closing', listener: () => void): void;
}
/** A job that a worker has taken. */
export interface TakenJob {
  moveToDelayed(timestamp: number, token: string): Promise<void>;
}

const KIND: WorkerKind<Worker> = {
  library: 'BullMQ',
  redisOf,
  queueOf: ({ name }) => name,
  keyOf: (worker, name) => worker.toKey(name),
};

/** Isolates workers of this class. Returns the function that tells a worker which jobs are for it. */
export function isolateWorkers(prototype: object, runtime: Messaging): (worker: Worker) => Takes {
  const own = runtime.options.tag;
  if (own !== undefined) {
    wrap(prototype, 'run', (original) => {
      return function run(this: Worker, ...args: never[]): unknown {
        this.once('closing', announceWorker(this, own, KIND, runtime));
        return Reflect.apply(original, this, args);
      };
    });
  }
  return deciderOf(KIND, runtime);
}

/** Puts a job back for a worker of its lane. Rejects like a processor that has moved its job itself. */
export async function putBack(job: TakenJob, token: string): Promise<never> {
  await job.moveToDelayed(Date.now() + TRY_AGAIN_MS, token);
  throw Object.assign(new Error('put back for a worker of its lane'), { name: 'DelayedError' });
}

/** Of BullMQ 5, or 6. */
function redisOf(worker: Worker): Promise<Redis> {
  const client = worker.client ?? worker.getBackend?.().client;
  return client ?? Promise.reject(new Error('this BullMQ shows no Redis client'));
}
