import { AsyncResource } from 'node:async_hooks';
import { enterContext, hasEnteredLane, laneContext, type LaneContext } from '@lane/core/model';
import { isRefusal } from '../connecting/routed-sockets.js';
import type { DispatchHandler } from './types.js';

/**
 * A handler that always runs in the lane of its request: the answer comes from the socket, in the lane that
 * opened it, and retries, redirects and an app's own handlers may dispatch again from there.
 */
export function handlerInLane(handler: DispatchHandler, context: LaneContext = laneContext(undefined)): DispatchHandler {
  // The handlers of undici's request, stream and pipeline restore the context themselves; that of fetch, a literal, settles a promise.
  if (!hasEnteredLane() || handler instanceof AsyncResource || (Object.hasOwn(handler, 'abort') && Object.hasOwn(handler, 'body'))) return handler;
  return standIn(
    handler,
    (_, method) =>
      (...args) =>
        enterContext(context, method, handler, args),
  );
}

/** Sends the request elsewhere, and returns whether it did; if not, its own handler gets the error. */
export type Refused = (error: Error) => boolean;

/**
 * A handler of a request that can be sent elsewhere as long as nothing of it has been sent: undici announces the start of a request as it is written,
 * and reports a failed connection before that.
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

/** A handler of a request for an upgrade: undici's channels tell of none that came about. `upgraded` is given its status. */
export function handlerHearingUpgrade(handler: DispatchHandler, upgraded: (status: number) => void): DispatchHandler {
  return standIn(handler, (name, method) => {
    // Before 7 the status comes first, then a controller does.
    const at = name === 'onUpgrade' ? 0 : name === 'onRequestUpgrade' ? 1 : undefined;
    if (at === undefined) return undefined;
    return (...args) => {
      upgraded(Number(args[at]));
      return Reflect.apply(method, handler, args);
    };
  });
}

type AnyMethod = (...args: unknown[]) => unknown;

/** A copy of a handler whose methods run through `call`; undefined: unchanged. */
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
