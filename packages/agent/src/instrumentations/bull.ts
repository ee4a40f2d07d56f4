/** bull: the tag goes into the job's options, under `lane`, because its data belongs to the app; the processor runs in its lane. */
import type { LoadedFile } from '../patching/instrumentation.js';
import type { TakenJob } from '../messages/isolation/bull.js';
import { handleInLane, laneOfMessage, withLane, type MessageHeaders } from '../messages/messages.js';
import { safely } from '../patching/safely.js';
import { wrap } from '../patching/wrap.js';

interface Job {
  opts?: { lane?: MessageHeaders };
}

export function patch({ exports, file, runtime }: LoadedFile): void {
  const { prototype } = exports as { prototype: object };
  if (file === 'bull/lib/job.js') {
    const addLane = safely('bull', (job: Job) => {
      const carrier = withLane(job.opts?.lane, runtime);
      if (carrier !== undefined && Object.keys(carrier).length > 0) job.opts = { ...job.opts, lane: carrier };
    });
    // Called as a job is stored, and as one is moved or retried, which already has its lane.
    wrap(prototype, 'toData', (original) => {
      return function toData(this: Job, ...args: never[]): unknown {
        if (this.opts?.lane === undefined) addLane(this);
        return Reflect.apply(original, this, args);
      };
    });
    return;
  }
  const laneOf = safely('bull', (job: Job | undefined) => laneOfMessage(job?.opts?.lane, runtime));
  const isolation = runtime.isolates ? (require('../messages/isolation/bull.js') as typeof import('../messages/isolation/bull.js')) : undefined;
  const deciderOf = isolation?.isolateQueues(prototype, runtime);
  const takesOf = deciderOf === undefined ? undefined : safely('bull isolation', deciderOf);
  wrap(prototype, 'processJob', (original) => {
    return function processJob(this: unknown, ...args: unknown[]): unknown {
      // Without a job there was none to take.
      const job = args[0] as (Job & TakenJob) | undefined;
      const context = laneOf(job);
      if (context === undefined) return Reflect.apply(original, this, args);
      const process = (): unknown => handleInLane(context, original, this, args);
      if (isolation === undefined || takesOf === undefined || !job) return process();
      // Rather twice than not at all.
      const taken = takesOf(this as Parameters<typeof takesOf>[0])?.(context.tag) ?? true;
      return isolation.handleTaken(taken, process, () => isolation.putBack(job, runtime), 'awaited');
    };
  });
}
