/** By which library the async resource was made that something runs in: a timer, a socket, a promise. Costs much; only for `lane doctor --trace`. */
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
/** How far back from resource to what made it. */
const MAX_STEPS = 16;

const origins = new Map<number, Origin>();

/** Begins to remember. */
export function watchResources(): void {
  createHook({
    init(id, type, trigger) {
      origins.set(id, { type, trigger, stack: stackHere() });
      if (origins.size > MAX_ORIGINS) origins.delete(origins.keys().next().value as number);
    },
  }).enable();
}

/** The resource that we run in, or what made that, up to the first that a library has made; null: none of those remembered. */
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
