/**
 * async's queues, and those of neo-async, which are built like them, call their worker, and `memoize` its callers, when another task is done. Tasks
 * remember the lane in which they were pushed, and the worker runs in it.
 * Limits: a cargo's worker gets tasks of several lanes at once, and runs in that of the last; `import` of async's ES module and
 * other internal files are out of reach.
 */
import { bindLane, currentContext, laneContext, resumeContext, type LaneContext } from '@lane/core/model';
import type { LoadedFile } from '../patching/instrumentation.js';
import { wrap } from '../patching/wrap.js';

const LANE = Symbol('lane.context');

interface Item {
  callback?: unknown;
  [LANE]?: LaneContext;
}
type Worker = (...args: unknown[]) => unknown;

/** The method that adds to the list of tasks, and which argument is the item. */
const ADDS = [
  ['push', 0],
  ['unshift', 0],
  // By priority, before 3 and in neo-async.
  ['insertBefore', 1],
] as const;
const QUEUES = ['queue', 'priorityQueue', 'cargo', 'cargoQueue'];

export function patch({ exports, file, holder }: LoadedFile): void {
  if (!file.startsWith('async/') || file === 'async/dist/async.js') {
    for (const name of QUEUES) wrap(exports as object, name, queueInLane);
    wrap(exports as object, 'memoize', memoizeInLane);
  } else wrap(holder, 'exports', file === 'async/memoize.js' ? memoizeInLane : queueInLane);
}

function memoizeInLane(original: (...args: never[]) => unknown): Worker {
  return function memoize(this: unknown, ...args: unknown[]): unknown {
    const memoized = Reflect.apply(original, this, args as never[]) as Worker;
    const bound = (...given: unknown[]): unknown => {
      const last = given.length - 1;
      if (typeof given[last] === 'function') given[last] = bindLane(given[last] as () => unknown);
      return memoized(...given);
    };
    return Object.assign(bound, memoized);
  };
}

function queueInLane(original: (worker: Worker, ...rest: unknown[]) => { _tasks: object }): Worker {
  return function queue(this: unknown, given: unknown, ...rest: unknown[]): unknown {
    if (typeof given !== 'function') return Reflect.apply(original, this, [given as Worker, ...rest]);
    let next: LaneContext | undefined;
    const worker = function worker(this: unknown, ...args: unknown[]): unknown {
      return next === undefined ? Reflect.apply(given as Worker, this, args) : resumeContext(next, given as Worker, this, args);
    };
    // async uses this to tell functions that return promises from those that call back.
    const tag = (given as { [Symbol.toStringTag]?: string })[Symbol.toStringTag];
    if (tag !== undefined) Object.defineProperty(worker, Symbol.toStringTag, { value: tag });
    const made = Reflect.apply(original, this, [worker, ...rest]);
    for (const [method, at] of ADDS) {
      wrap(made._tasks, method, (add) => {
        return function added(this: unknown, ...args: unknown[]): unknown {
          const item = args[at] as Item;
          item[LANE] = currentContext() ?? laneContext(undefined);
          if (typeof item.callback === 'function') item.callback = bindLane(item.callback as () => unknown);
          return Reflect.apply(add, this, args);
        };
      });
    }
    wrap(made._tasks, 'shift', (take) => {
      return function taken(this: unknown, ...args: never[]): unknown {
        const item = Reflect.apply(take, this, args) as Item | undefined;
        next = item?.[LANE];
        return item;
      };
    });
    return made;
  };
}
