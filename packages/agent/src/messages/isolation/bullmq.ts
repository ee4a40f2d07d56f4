/**
 * Isolation in BullMQ. Workers of a queue share its jobs, and a job has to stay where it is, since it is known by its place: a
 * worker that comes by one of another lane puts it back, to be tried a moment later. Workers of lanes are known by an entry in
 * Redis beside the queue, which they renew, and which is read for each tagged job.
 *
 * Limits: a job that was put back has been `delayed` meanwhile, and is behind others; `attemptsStarted` counts it.
 */
import type { Tag } from '@lane/core/model';
import type { Messaging } from '../messaging.js';
import { wrap } from '../../patching/wrap.js';
import { createTakes, type Takes } from './takes.js';

export { handleTaken } from './takes.js';

const RENEW_MS = 3000;
const ALIVE_MS = 10_000;
const TRY_AGAIN_MS = 100;

/** What we need of the client that BullMQ has. */
interface Redis {
  hset(key: string, values: Record<string, string>): Promise<unknown>;
  hdel(key: string, ...fields: string[]): Promise<unknown>;
  hgetall(key: string): Promise<Record<string, string>>;
}
interface Worker {
  readonly id?: string;
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

let made = 0;

/** Isolates workers of this class. Gives what tells a worker which jobs are for it. */
export function isolateWorkers(prototype: object, runtime: Messaging): (worker: Worker) => Takes {
  const own = runtime.options.tag;
  if (own !== undefined) {
    wrap(prototype, 'run', (original) => {
      return function run(this: Worker, ...args: never[]): unknown {
        announce(this, own, runtime);
        return Reflect.apply(original, this, args);
      };
    });
  }
  const deciders = new WeakMap<Worker, Takes>();
  return (worker) => {
    let takes = deciders.get(worker);
    if (takes === undefined) {
      const ask = async (tag: Tag): Promise<boolean> => {
        const workers = await (await redisOf(worker)).hgetall(keyOf(worker, tag));
        return Object.values(workers).some((until) => Number(until) > Date.now());
      };
      takes = createTakes(runtime, 'BullMQ', { ask, holds: 0 });
      deciders.set(worker, takes);
    }
    return takes;
  };
}

/** Puts a job back for a worker of its lane. Rejects as a processor does that has moved its job itself. */
export async function putBack(job: TakenJob, token: string): Promise<never> {
  await job.moveToDelayed(Date.now() + TRY_AGAIN_MS, token);
  throw Object.assign(new Error('put back for a worker of its lane'), { name: 'DelayedError' });
}

function announce(worker: Worker, own: Tag, { log }: Messaging): void {
  const id = `${process.pid}-${made++}-${Math.random().toString(36).slice(2)}`;
  const key = keyOf(worker, own);
  const renew = async (): Promise<void> => {
    try {
      await (await redisOf(worker)).hset(key, { [id]: String(Date.now() + ALIVE_MS) });
    } catch (error) {
      log.once(`announce ${key}`, 'warn', `LANE_MESSAGES=isolate: workers of lane ${own} can't announce themselves: base takes their jobs`, {
        queue: worker.name,
        error: (error as Error).message,
      });
    }
  };
  const timer = setInterval(() => void renew(), RENEW_MS);
  timer.unref();
  worker.once('closing', () => {
    clearInterval(timer);
    redisOf(worker)
      .then((redis) => redis.hdel(key, id))
      .catch(() => {});
  });
  void renew();
}

function keyOf(worker: Worker, tag: Tag): string {
  return worker.toKey(`lane:${tag}`);
}

/** Of BullMQ 5, or 6. */
function redisOf(worker: Worker): Promise<Redis> {
  const client = worker.client ?? worker.getBackend?.().client;
  return client ?? Promise.reject(new Error('this BullMQ shows no Redis client'));
}
