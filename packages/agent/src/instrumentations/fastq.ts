/**
 * fastq hands a task to its worker when another is done, and leaves no other trace of it. So a task is queued in a box
 * with its lane; whoever sees tasks (the worker, the error handler, `getQueue`) gets it unwrapped.
 */
import { bindLane, currentContext, laneContext, resumeContext, type LaneContext } from '@lane/core/model';
import type { LoadedFile } from '../patching/instrumentation.js';
import { wrap } from '../patching/wrap.js';

type Method = (this: unknown, ...args: unknown[]) => unknown;

class Boxed {
  readonly value: unknown;
  readonly context: LaneContext;
  constructor(value: unknown, context: LaneContext) {
    this.value = value;
    this.context = context;
  }
}

const opened = (value: unknown): unknown => (value instanceof Boxed ? value.value : value);

export function patch({ holder }: LoadedFile): void {
  wrap(holder, 'exports', queueInLane);
  wrap(holder.exports as object, 'promise', queueInLane);
}

function queueInLane(original: Method): Method {
  return function queue(this: unknown, ...args: unknown[]): unknown {
    const at = typeof args[0] === 'function' ? 0 : 1;
    const worker = args[at];
    if (typeof worker !== 'function') return Reflect.apply(original, this, args);
    const inLane = function worked(this: unknown, task: unknown, ...rest: unknown[]): unknown {
      if (!(task instanceof Boxed)) return Reflect.apply(worker as Method, this, [task, ...rest]);
      return resumeContext(task.context, worker as Method, this, [task.value, ...rest]);
    };
    args[at] = inLane;
    const made = Reflect.apply(original, this, args) as object;
    for (const method of ['push', 'unshift']) {
      wrap(made, method, (add: Method) => {
        return function added(this: unknown, ...given: unknown[]): unknown {
          given[0] = new Boxed(given[0], currentContext() ?? laneContext(undefined));
          if (typeof given[1] === 'function') given[1] = bindLane(given[1] as Method);
          return Reflect.apply(add, this, given);
        };
      });
    }
    wrap(made, 'getQueue', (list: Method) => {
      return function getQueue(this: unknown, ...given: unknown[]): unknown {
        return (Reflect.apply(list, this, given) as unknown[]).map(opened);
      };
    });
    wrap(made, 'error', (listen: Method) => {
      return function error(this: unknown, ...given: unknown[]): unknown {
        const [handler] = given;
        const unboxing = (failure: unknown, task: unknown): unknown => (handler as Method)(failure, opened(task));
        if (typeof handler === 'function') given[0] = unboxing;
        return Reflect.apply(listen, this, given);
      };
    });
    return made;
  };
}
