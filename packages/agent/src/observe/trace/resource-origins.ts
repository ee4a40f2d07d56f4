/** Finds the library that created the current async resource: a timer, a socket, a promise. Expensive; only for `lane doctor --trace`. */
import { createHook, executionAsyncId } from 'node:async_hooks';
import type { TraceCall } from '@lane/core/agent';
import { libraryFrame, stackHere, type Stack } from './frames.js';

interface Origin {
  readonly type: string;
  readonly trigger: number;
  readonly stack: Stack;
}

/** Resources remembered: the newest. */
const MAX_ORIGINS = 20_000;
/** How many steps back from a resource to its creator. */
const MAX_STEPS = 16;

const origins = new Map<number, Origin>();

/** Starts remembering. */
export function watchResources(): void {
  createHook({
    init(id, type, trigger) {
      origins.set(id, { type, trigger, stack: stackHere() });
      if (origins.size > MAX_ORIGINS) origins.delete(origins.keys().next().value as number);
    },
  }).enable();
}

/** The current resource or its creators, up to the first that a library created; null: none remembered. */
export function resourceHere(): TraceCall['resource'] {
  let id = executionAsyncId();
  for (let step = 0; step < MAX_STEPS; step++) {
    const origin = origins.get(id);
    if (origin === undefined) return null;
    const frame = libraryFrame(origin.stack);
    if (frame !== null) return { type: origin.type, frame };
    id = origin.trigger;
  }
  return null;
}
