/**
 * undici, and the fetch that is built into Node.
 *
 * `DispatcherBase.prototype.dispatch` is called in the caller's context; later, a pool makes the request when its queue
 * drains, in somebody else's. So the lane is fixed here, once, and the options are marked: an Agent dispatches to a Pool,
 * which dispatches to a Client. Untagged calls are marked too, or they would take the lane of whoever drains the queue.
 * The undici inside Node is patched at the first fetch: loading it costs more than the rest of the agent.
 * Limits: a ProxyAgent's requests carry the tag, but the proxy is told the name that the app has; close() of a Pool does not
 * wait for requests that went to another instance than its own.
 */
import type { LoadedFile } from '../patching/instrumentation.js';
import type { Outbound } from '../outbound/outbound.js';
import { safely } from '../patching/safely.js';
import { patchDispatcherBase } from '../outbound/undici/dispatch.js';
import type { AgentClass } from '../outbound/undici/types.js';
import { wrap } from '../patching/wrap.js';

/** An undici that the app has as a dependency. */
export function patch({ exports, filename, runtime }: LoadedFile): void {
  const agentFile = filename.replace(/dispatcher-base\.js$/, 'agent.js');
  patchDispatcherBase((exports as { prototype: object }).prototype, runtime, () => require(agentFile) as AgentClass);
}

/** Patches the undici inside Node, once it is there. */
export function install(runtime: Outbound): void {
  const scope = globalThis as Record<PropertyKey, unknown>;
  if (typeof scope['fetch'] !== 'function') return;
  let patched = false;
  const patchOnce = safely('undici', () => {
    patched = true;
    // Reading one of its classes makes Node load it, and with it the global dispatcher.
    void globalThis.Headers;
    const dispatcher = (scope[Symbol.for('undici.globalDispatcher.2')] ?? scope[Symbol.for('undici.globalDispatcher.1')]) as object | undefined;
    const base = prototypeWith(dispatcher, 'dispatch');
    if (base === undefined) {
      runtime.log.once('undici built in', 'warn', `fetch of ${process.version} could not be patched: its calls carry no tag`);
      return;
    }
    patchDispatcherBase(base, runtime, () => (dispatcher as { constructor: AgentClass }).constructor);
  });
  wrap(scope, 'fetch', (original) => {
    return function fetch(this: unknown, ...args: never[]): unknown {
      if (!patched) patchOnce();
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
