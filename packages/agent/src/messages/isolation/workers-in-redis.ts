/**
 * Isolation for workers that share the jobs of a queue in Redis. A job has to stay where it is, because its place identifies it. A worker that
 * gets one of another lane puts it back, to be tried a moment later. Workers of a lane announce themselves by an entry in Redis beside the queue,
 * which they renew, and which is read for each tagged job.
 */
import type { Tag } from '@lane/core/model';
import type { Messaging } from '../messaging.js';
import { createTakes, type Takes } from './takes.js';

const RENEW_MS = 3000;
const ALIVE_MS = 10_000;
/** Delay of a job that was put back. */
export const TRY_AGAIN_MS = 100;

/** What we need of the library's Redis client. */
export interface Redis {
  hset(key: string, field: string, value: string): Promise<unknown>;
  hdel(key: string, ...fields: string[]): Promise<unknown>;
  hgetall(key: string): Promise<Record<string, string>>;
}

/** How a library's workers reach their Redis. */
export interface WorkerKind<W extends object> {
  /** Its name in logs. */
  readonly library: string;
  readonly redisOf: (worker: W) => Promise<Redis>;
  readonly queueOf: (worker: W) => string;
  /** The key of something that belongs to the queue. */
  readonly keyOf: (worker: W, name: string) => string;
}

let made = 0;

/** Announces that the lane has a worker, until the returned function is called. */
export function announceWorker<W extends object>(worker: W, own: Tag, kind: WorkerKind<W>, { log }: Messaging): () => void {
  const id = `${process.pid}-${made++}-${Math.random().toString(36).slice(2)}`;
  const key = kind.keyOf(worker, `lane:${own}`);
  const renew = async (): Promise<void> => {
    try {
      await (await kind.redisOf(worker)).hset(key, id, String(Date.now() + ALIVE_MS));
    } catch (error) {
      log.once(`announce ${key}`, 'warn', `LANE_MESSAGES=isolate: workers of lane ${own} can't announce themselves: base takes their jobs`, {
        queue: kind.queueOf(worker),
        error: (error as Error).message,
      });
    }
  };
  const timer = setInterval(() => void renew(), RENEW_MS);
  timer.unref();
  void renew();
  return () => {
    clearInterval(timer);
    kind
      .redisOf(worker)
      .then((redis) => redis.hdel(key, id))
      .catch(() => {});
  };
}

/** Tells a worker which jobs are for it. */
export function deciderOf<W extends object>(kind: WorkerKind<W>, runtime: Messaging): (worker: W) => Takes {
  const deciders = new WeakMap<W, Takes>();
  return (worker) => {
    let takes = deciders.get(worker);
    if (takes === undefined) {
      const ask = async (tag: Tag): Promise<boolean> => {
        const workers = await (await kind.redisOf(worker)).hgetall(kind.keyOf(worker, `lane:${tag}`));
        return Object.values(workers).some((until) => Number(until) > Date.now());
      };
      takes = createTakes(runtime, kind.library, { ask, holds: 0 });
      deciders.set(worker, takes);
    }
    return takes;
  };
}
