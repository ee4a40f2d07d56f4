/** bull: the tag goes in the job's options, under `lane`, since its data is the app's; the processor runs in its lane. */
import type { LoadedFile } from '../patching/instrumentation.js';
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
    // Called as a job is stored, and when one is moved or retried, whose lane is written already.
    wrap(prototype, 'toData', (original) => {
      return function toData(this: Job, ...args: never[]): unknown {
        if (this.opts?.lane === undefined) addLane(this);
        return Reflect.apply(original, this, args);
      };
    });
    return;
  }
  if (runtime.isolates)
    runtime.log.once('bull isolate', 'warn', 'LANE_MESSAGES=isolate has no effect on bull: jobs of all lanes are shared; bullmq can do it');
  const laneOf = safely('bull', (job: Job | undefined) => laneOfMessage(job?.opts?.lane, runtime));
  wrap(prototype, 'processJob', (original) => {
    return function processJob(this: unknown, ...args: unknown[]): unknown {
      const context = laneOf(args[0] as Job);
      return context === undefined ? Reflect.apply(original, this, args) : handleInLane(context, original, this, args);
    };
  });
}
