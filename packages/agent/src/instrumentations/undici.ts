/**
 * undici, and Node's built-in fetch.
 *
 * `DispatcherBase.prototype.dispatch` is called in the caller's context; later, a pool makes the request when its queue
 * drains, in somebody else's. So the lane is fixed here, once, and the options are marked: an Agent dispatches to a Pool,
 * which dispatches to a Client. Untagged calls are marked too; otherwise they would get the lane of whoever drains the queue.
 * How the undici inside Node is patched: undici-in-node.ts.
 * Limits: a call through a proxy carries the tag, and the proxy routes it by the app's name; close() of a Pool does not
 * wait for requests that went to another instance.
 */
import { currentContext } from '@lane/core/model';
import type { LoadedFile } from '../patching/instrumentation.js';
import type { Outbound } from '../outbound/outbound.js';
import { safely } from '../patching/safely.js';
import { patchDispatcherBase } from '../outbound/undici/dispatch.js';
import { noteProxyAgent } from '../outbound/undici/proxies.js';
import { originOf } from '../outbound/undici/target.js';
import type { AgentClass, Dispatch, Dispatcher, DispatchOptions } from '../outbound/undici/types.js';
import { wrap } from '../patching/wrap.js';

/** An undici among the app's dependencies. */
export function patch({ exports, file, filename, holder, runtime }: LoadedFile): void {
  if (file.endsWith('/interceptor/dns.js')) return void wrap(holder, 'exports', pastDns(runtime));
  if (file.endsWith('/proxy-agent.js')) return notingItsAgent((exports as { prototype: object }).prototype);
  const agentFile = filename.replace(/dispatcher-base\.js$/, 'agent.js');
  patchDispatcherBase((exports as { prototype: object }).prototype, runtime, () => require(agentFile) as AgentClass);
}

/** The undici inside Node offers no ProxyAgent except those of its EnvHttpProxyAgent. */
function notingItsAgent(prototype: object): void {
  const note = safely('undici', noteProxyAgent);
  wrap(prototype, 'dispatch', (original) => {
    return function dispatch(this: object, ...args: unknown[]): unknown {
      note(this);
      return Reflect.apply(original, this, args);
    };
  });
}

type Interceptor = (dispatch: Dispatch) => Dispatch;

/** `interceptors.dns()` replaces a name by an address before a dispatcher sees it. It must leave service names alone. */
function pastDns({ router }: Outbound): (original: (...options: unknown[]) => Interceptor) => (...options: unknown[]) => Interceptor {
  const isService = safely('undici dns', ({ origin }: DispatchOptions): boolean => {
    const target = router.isEmpty ? undefined : originOf(origin);
    return target !== undefined && router.judge(target.host, target.port, currentContext()?.tag).kind !== 'unknown';
  });
  return (original) =>
    function dns(this: unknown, ...options: unknown[]): Interceptor {
      const made = { interceptor: Reflect.apply(original, this, options) };
      // By wrap: undici looks at how many parameters they have.
      wrap(made, 'interceptor', (interceptor: Interceptor) => {
        return function intercept(this: unknown, dispatch: Dispatch): Dispatch {
          const resolving = { dispatch: Reflect.apply(interceptor, this, [dispatch]) };
          wrap(resolving, 'dispatch', (through: Dispatch) => {
            return function dispatched(this: Dispatcher, ...args: Parameters<Dispatch>): boolean {
              return Reflect.apply(isService(args[0]) === true ? dispatch : through, this, args);
            };
          });
          return resolving.dispatch;
        };
      });
      return made.interceptor;
    };
}

/** Patches a dispatcher's classes if it is one of undici's; returns whether it is. */
export function patchDispatcher(dispatcher: object, outbound: Outbound): boolean {
  const base = prototypeWith(dispatcher, 'dispatch');
  if (base !== undefined) patchDispatcherBase(base, outbound, () => dispatcher.constructor as AgentClass);
  return base !== undefined;
}

/** The farthest prototype with its own method of that name, below the abstract Dispatcher. */
function prototypeWith(object: object | undefined, name: string): object | undefined {
  let found: object | undefined;
  for (let at = object; at !== undefined && at !== null; at = Object.getPrototypeOf(at) as object) {
    // Dispatcher itself only says "not implemented"; DispatcherBase is the one that has `destroyed`.
    if (Object.hasOwn(at, name) && Object.hasOwn(at, 'destroyed')) found = at;
  }
  return found;
}
