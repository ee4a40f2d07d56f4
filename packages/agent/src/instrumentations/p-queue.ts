/**
 * p-queue runs a task when another one's is done. It is an ES module, which cannot be patched once it is there, and has no file
 * that CommonJS would load: a line at its end binds what `add` is given. Needs module.registerHooks (Node 22.15).
 */
import module from 'node:module';
import { bindArguments } from '../bind-arguments.js';

const HOOK = Symbol.for('lane.p-queue.v1');
const FILE = /\/node_modules\/p-queue\/dist\/index\.js$/;
const LINE = `\n;globalThis[Symbol.for('lane.p-queue.v1')]?.(PQueue);\n`;

interface Loaded {
  source?: unknown;
  format?: string | null;
}
type RegisterHooks = (hooks: { load(url: string, context: object, next: (url: string, context: object) => Loaded): Loaded }) => unknown;

export function install(): void {
  const { registerHooks } = module as unknown as { registerHooks?: RegisterHooks };
  if (registerHooks === undefined) return;
  Object.defineProperty(globalThis, HOOK, { value: (queue: { prototype: object }) => bindArguments(queue.prototype, 'add') });
  registerHooks({
    load(url, context, next) {
      const loaded = next(url, context);
      if (!FILE.test(url) || loaded.source === undefined || loaded.source === null) return loaded;
      const source = typeof loaded.source === 'string' ? loaded.source : new TextDecoder().decode(loaded.source as Uint8Array);
      return { ...loaded, source: source + LINE };
    },
  });
}
