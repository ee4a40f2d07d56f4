/**
 * The undici built into Node, patched as it loads: loading it costs more than the rest of the agent.
 */
import { EventEmitter } from 'node:events';
import type { LateRuntime } from '../boot/late-runtime.js';
import { safely } from '../patching/safely.js';
import { wrap } from '../patching/wrap.js';

const DISPATCHERS = [Symbol.for('undici.globalDispatcher.1'), Symbol.for('undici.globalDispatcher.2')];

/**
 * Patches the undici inside Node as it loads. Any of its globals may load it, and the app's own undici then shares its
 * dispatcher. The globals can't be watched, because reading their descriptors loads them. But each copy of undici looks for the global
 * dispatcher as it loads, and creates one if there is none.
 */
export function install(late: LateRuntime): void {
  const scope = globalThis as Record<PropertyKey, unknown>;
  const patchOf = safely('undici', (dispatcher: object) =>
    (require('./undici.js') as typeof import('./undici.js')).patchDispatcher(dispatcher, late.get()),
  );
  const present = DISPATCHERS.map((symbol) => scope[symbol]).filter((dispatcher) => dispatcher !== undefined);
  const patched = present.filter((dispatcher) => patchOf(dispatcher as object) === true);
  // In Node 26 the first delegates to the second, which is then patched.
  if (present.length > 0 && patched.length === 0) {
    late.log.once(
      'undici present',
      'warn',
      'fetch uses a dispatcher that was set before the agent was loaded and does not come from undici: its requests may lack the tag. Put --require @lane/agent before whatever sets it',
    );
  }
  for (const symbol of DISPATCHERS) {
    if (scope[symbol] !== undefined) continue;
    const asked = (): undefined => {
      // Not for later ones.
      Reflect.deleteProperty(scope, symbol);
      onNextDispatcher((dispatcher) => {
        if (patchOf(dispatcher) === true) return true;
        // An app has its own dispatchers, too. One named like undici's but built differently comes with an unknown Node.
        if (dispatcher.constructor.name === 'Agent')
          late.log.once('undici built in', 'warn', `fetch of ${process.version} could not be patched: its calls carry no tag`);
        return false;
      });
    };
    const set = (value: unknown): void => void Object.defineProperty(scope, symbol, { value, writable: true, configurable: true });
    Object.defineProperty(scope, symbol, { get: asked, set, configurable: true, enumerable: false });
  }
}

/** Calls `listener` with each dispatcher as it is created, until it accepts one. */
function onNextDispatcher(listener: (dispatcher: object) => boolean): void {
  const undo = wrap(EventEmitter, 'init', (original) => {
    return function init(this: object, ...args: unknown[]): unknown {
      if (typeof (this as { dispatch?: unknown }).dispatch === 'function' && listener(this)) undo?.();
      return Reflect.apply(original, this, args);
    };
  });
}
