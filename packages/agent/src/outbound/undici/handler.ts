import { AsyncResource } from 'node:async_hooks';
import { enterContext, hasEnteredLane, laneContext, type LaneContext } from '@lane/core/model';
import type { DispatchHandler } from './types.js';

/**
 * A handler that is called in the lane of its request, whoever calls it: the answer comes from the socket, in the lane that
 * opened it, and retries, redirects and an app's own handlers may dispatch again from there.
 */
export function handlerInLane(handler: DispatchHandler, context: LaneContext = laneContext(undefined)): DispatchHandler {
  // Those of undici's request, stream and pipeline see to it themselves; that of fetch, a literal, settles a promise.
  if (!hasEnteredLane() || handler instanceof AsyncResource || (Object.hasOwn(handler, 'abort') && Object.hasOwn(handler, 'body'))) return handler;
  return new Proxy({} as DispatchHandler, {
    get(_, name) {
      const value: unknown = Reflect.get(handler, name);
      if (typeof value !== 'function') return value;
      return (...args: unknown[]) => enterContext(context, value as (...args: unknown[]) => unknown, handler, args);
    },
    set: (_, name, value) => Reflect.set(handler, name, value),
    has: (_, name) => Reflect.has(handler, name),
    getPrototypeOf: () => Object.getPrototypeOf(handler) as object | null,
  });
}
