/**
 * p-queue runs a task when another one is done, so tasks are bound to the lane in which they were added. An ES module since 7, which only
 * module.registerHooks (Node 22.15) can reach. On older Nodes, its class is recognized by its CommonJS superclass, as the first queue is created.
 */
import module from 'node:module';
import { bindArguments } from '../patching/bind-arguments.js';
import type { LoadedFile } from '../patching/instrumentation.js';
import { safely } from '../patching/safely.js';
import { wrap } from '../patching/wrap.js';

type Emitter = new (...args: unknown[]) => object;

export function patch({ exports, file, holder }: LoadedFile): void {
  if (file.startsWith('eventemitter3/')) {
    if (!('registerHooks' in module)) wrap(holder, 'exports', tellingOfQueues);
    return;
  }
  const { PQueue, default: PQueue6 } = exports as Record<'PQueue' | 'default', { prototype: object } | undefined>;
  const { prototype } = (PQueue ?? PQueue6) as { prototype: object };
  bindArguments(prototype, 'add');
}

const seen = new WeakSet<object>();
const patchQueues = safely('p-queue', (made: { readonly prototype: object }) => {
  if (seen.has(made)) return;
  seen.add(made);
  for (let at: object | null = made.prototype; at !== null; at = Reflect.getPrototypeOf(at)) if (isOfQueues(at)) bindArguments(at, 'add');
});

function isOfQueues(prototype: object): boolean {
  return prototype.constructor.name === 'PQueue' && ['add', 'addAll', 'onIdle', 'sizeBy'].every((name) => Object.hasOwn(prototype, name));
}

/** The emitter, which sees the classes derived from it. */
function tellingOfQueues(original: Emitter): (this: unknown, ...args: unknown[]) => unknown {
  return function EventEmitter(this: unknown, ...args: unknown[]): unknown {
    if (new.target === undefined) return Reflect.apply(original as unknown as () => unknown, this, args);
    patchQueues(new.target as unknown as { prototype: object });
    return Reflect.construct(original, args, new.target);
  };
}
