/**
 * undici, and the fetch that is built into Node.
 *
 * `DispatcherBase.prototype.dispatch` is called in the caller's context; later, a pool makes the request when its queue
 * drains, in somebody else's. So the lane is fixed here, once, and the options are marked: an Agent dispatches to a Pool,
 * which dispatches to a Client. Untagged calls are marked too, or they would take the lane of whoever drains the queue.
 * The undici inside Node is patched as it comes: loading it costs more than the rest of the agent.
 * Limits: what goes by a proxy carries the tag, and is left for the proxy to lead by the name that the app has; close() of a Pool does not
 * wait for requests that went to another instance than its own.
 */
import { EventEmitter } from 'node:events';
import { currentContext } from '@lane/core/model';
import type { LoadedFile } from '../patching/instrumentation.js';
import type { Outbound } from '../outbound/outbound.js';
import { safely } from '../patching/safely.js';
import { patchDispatcherBase } from '../outbound/undici/dispatch.js';
import { noteProxyAgent } from '../outbound/undici/proxies.js';
import { originOf } from '../outbound/undici/target.js';
import type { AgentClass, Dispatch, Dispatcher, DispatchOptions } from '../outbound/undici/types.js';
import { wrap } from '../patching/wrap.js';

/** An undici that the app has as a dependency. */
export function patch({ exports, file, filename, holder, runtime }: LoadedFile): void {
  if (file.endsWith('/interceptor/dns.js')) return void wrap(holder, 'exports', pastDns(runtime));
  if (file.endsWith('/proxy-agent.js')) return notingItsAgent((exports as { prototype: object }).prototype);
  const agentFile = filename.replace(/dispatcher-base\.js$/, 'agent.js');
  patchDispatcherBase((exports as { prototype: object }).prototype, runtime, () => require(agentFile) as AgentClass);
}

/** Of the undici inside Node there is no ProxyAgent to be had, but those of its EnvHttpProxyAgent. */
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

/** `interceptors.dns()` puts an address into the place of a name before a dispatcher is asked. A service's name is no matter for it. */
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

const DISPATCHERS = [Symbol.for('undici.globalDispatcher.1'), Symbol.for('undici.globalDispatcher.2')];

/**
 * Patches the undici inside Node as it comes: any of its globals may load it, and its dispatcher is then also that of an undici
 * which the app has. The globals can't be watched: to ask for their descriptors loads them. But a copy of undici asks for the global
 * dispatcher as it is loaded, and if there is none, makes one at once.
 */
export function install(runtime: Outbound): void {
  const scope = globalThis as Record<PropertyKey, unknown>;
  const patchOf = safely('undici', (dispatcher: object): boolean => {
    const base = prototypeWith(dispatcher, 'dispatch');
    if (base !== undefined) patchDispatcherBase(base, runtime, () => dispatcher.constructor as AgentClass);
    return base !== undefined;
  });
  const present = DISPATCHERS.map((symbol) => scope[symbol]).filter((dispatcher) => dispatcher !== undefined);
  const patched = present.filter((dispatcher) => patchOf(dispatcher as object) === true);
  // Of Node 26 the first leads to the second, which is patched then.
  if (present.length > 0 && patched.length === 0) {
    runtime.log.once(
      'undici present',
      'warn',
      'fetch goes through a dispatcher that was set before the agent was loaded, and is none of undici: the tag may be missing from what it sends. Put --require @lane/agent before whatever sets it',
    );
  }
  for (const symbol of DISPATCHERS) {
    if (scope[symbol] !== undefined) continue;
    const asked = (): undefined => {
      // For nobody who comes later.
      Reflect.deleteProperty(scope, symbol);
      onNextDispatcher((dispatcher) => {
        if (patchOf(dispatcher) === true) return true;
        // An app has dispatchers of its own, too. What is called as undici's own, and is not built like it, comes with a Node that is not known.
        if (dispatcher.constructor.name === 'Agent')
          runtime.log.once('undici built in', 'warn', `fetch of ${process.version} could not be patched: its calls carry no tag`);
        return false;
      });
    };
    const set = (value: unknown): void => void Object.defineProperty(scope, symbol, { value, writable: true, configurable: true });
    Object.defineProperty(scope, symbol, { get: asked, set, configurable: true, enumerable: false });
  }
}

/** Calls `listener` with each dispatcher that is made, as it is made, until one is taken. */
function onNextDispatcher(listener: (dispatcher: object) => boolean): void {
  const undo = wrap(EventEmitter, 'init', (original) => {
    return function init(this: object, ...args: unknown[]): unknown {
      if (typeof (this as { dispatch?: unknown }).dispatch === 'function' && listener(this)) undo?.();
      return Reflect.apply(original, this, args);
    };
  });
}

/** The farthest prototype with a method of its own of that name, below the abstract Dispatcher. */
function prototypeWith(object: object | undefined, name: string): object | undefined {
  let found: object | undefined;
  for (let at = object; at !== undefined && at !== null; at = Object.getPrototypeOf(at) as object) {
    // Dispatcher itself only says "not implemented"; DispatcherBase is the one that has `destroyed`.
    if (Object.hasOwn(at, name) && Object.hasOwn(at, 'destroyed')) found = at;
  }
  return found;
}
