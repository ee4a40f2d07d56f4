/**
 * better-queue runs a task when others are done, and keeps it in a store meanwhile. The ticket of a push has its lane;
 * a task pushed several times, and a batch, runs in the lane of the last.
 */
import { bindLane, currentContext, laneContext, resumeContext, type LaneContext } from '@lane/core/model';
import type { LoadedFile } from '../patching/instrumentation.js';
import { wrap } from '../patching/wrap.js';

interface Tickets {
  readonly tickets: ReadonlyArray<object>;
}

export function patch({ exports }: LoadedFile): void {
  const lanes = new WeakMap<object, LaneContext>();
  const { prototype } = exports as { prototype: object };
  wrap(prototype, 'push', (original) => {
    return function push(this: unknown, ...args: unknown[]): unknown {
      if (typeof args[1] === 'function') args[1] = bindLane(args[1] as () => unknown);
      const ticket = Reflect.apply(original, this, args) as object;
      // The queue itself pushes it again once its store is there, with the same ticket.
      if (!lanes.has(ticket)) lanes.set(ticket, currentContext() ?? laneContext(undefined));
      return ticket;
    };
  });
  wrap(prototype, '_startBatch', (original) => {
    return function startBatch(this: unknown, ...args: unknown[]): unknown {
      const last = Object.values((args[1] ?? {}) as Record<string, Tickets | undefined>)
        .at(-1)
        ?.tickets.at(-1);
      const context = last === undefined ? undefined : lanes.get(last);
      return context === undefined ? Reflect.apply(original, this, args) : resumeContext(context, original, this, args);
    };
  });
}
