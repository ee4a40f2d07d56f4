import { AsyncResource } from 'node:async_hooks';
import { enterContext, hasEnteredLane, laneContext, type LaneContext } from '@lane/core/model';
import { isRefusal } from '../connecting/routed-sockets.js';
import type { DispatchHandler } from './types.js';

/**
 * A handler that is called in the lane of its request, whoever calls it: the answer comes from the socket, in the lane that
 * opened it, and retries, redirects and an app's own handlers may dispatch again from there.
 */
export function handlerInLane(handler: DispatchHandler, context: LaneContext = laneContext(undefined)): DispatchHandler {
  // Those of undici's request, stream and pipeline see to it themselves; that of fetch, a literal, settles a promise.
  if (!hasEnteredLane() || handler instanceof AsyncResource || (Object.hasOwn(handler, 'abort') && Object.hasOwn(handler, 'body'))) return handler;
  return standIn(
    handler,
    (_, method) =>
      (...args) =>
        enterContext(context, method, handler, args),
  );
}

/** Hands the request on elsewhere, and says whether it has; if not, its own handler is told. */
export type Refused = (error: Error) => boolean;

/**
 * A handler of a request that may be handed on as long as nothing of it has been sent: undici tells a request that it starts as it is written,
 * and of a connection that does not come about before that.
 */
export function handlerUntilConnected(handler: DispatchHandler, refused: Refused): DispatchHandler {
  let hasStarted = false;
  return standIn(handler, (name, method) => {
    if (name === 'onConnect' || name === 'onRequestStart') {
      return (...args) => {
        hasStarted = true;
        return Reflect.apply(method, handler, args);
      };
    }
    if (name !== 'onError' && name !== 'onResponseError') return undefined;
    return (...args) => {
      const error = args[name === 'onError' ? 0 : 1];
      return !hasStarted && isRefusal(error) && refused(error) ? undefined : Reflect.apply(method, handler, args);
    };
  });
}

type AnyMethod = (...args: unknown[]) => unknown;

/** Somebody who is as a handler, whose methods are called as `call` has it; undefined: as they are. */
function standIn(handler: DispatchHandler, call: (name: PropertyKey, method: AnyMethod) => AnyMethod | undefined): DispatchHandler {
  return new Proxy({} as DispatchHandler, {
    get(_, name) {
      const value: unknown = Reflect.get(handler, name);
      if (typeof value !== 'function') return value;
      return call(name, value as AnyMethod) ?? ((...args: unknown[]): unknown => Reflect.apply(value as AnyMethod, handler, args));
    },
    set: (_, name, value) => Reflect.set(handler, name, value),
    has: (_, name) => Reflect.has(handler, name),
    getPrototypeOf: () => Object.getPrototypeOf(handler) as object | null,
  });
}
