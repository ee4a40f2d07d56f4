/**
 * Tells when an ES module of interest has been loaded. It can't be patched once it is there, and no file of it is loaded by
 * CommonJS: a line at its end hands out what it has declared. Needs module.registerHooks (Node 22.15 and later).
 *
 * The line must never keep a file from loading: it is added to what the loader says is an ES module alone, since `import.meta` is an
 * error in CommonJS, which passes here too; and it names nothing that need be there.
 */
import module from 'node:module';
import { safely } from './safely.js';

const TOLD = Symbol.for('lane.modules.v1');

interface Loaded {
  format?: unknown;
  source?: unknown;
}
type RegisterHooks = (hooks: { load(url: string, context: object, next: (url: string, context: object) => Loaded): Loaded }) => unknown;

/** What a module has declared, by name. */
export type ModuleListener = (declared: Readonly<Record<string, unknown>>, url: string) => void;

const listeners = new Map<string, Array<{ readonly names: readonly string[]; readonly listener: ModuleListener }>>();
let installed = false;
const FOLDER = '/node_modules/';

/** Calls `listener` with the declarations of those names when the module `package/path/within.js` has been loaded. */
export function onModuleLoaded(file: string, names: readonly string[], listener: ModuleListener): void {
  const { registerHooks } = module as unknown as { registerHooks?: RegisterHooks };
  if (registerHooks === undefined) return;
  listeners.set(file, [...(listeners.get(file) ?? []), { names, listener: safely('es-module', listener) }]);
  if (installed) return;
  installed = true;
  Object.defineProperty(globalThis, TOLD, {
    value: (told: string, declared: Record<string, unknown>, url: string) => {
      for (const { names: wanted, listener: tell } of listeners.get(told) ?? [])
        if (wanted.every((name) => declared[name] !== undefined)) tell(declared, url);
    },
  });
  registerHooks({
    load(url, context, next) {
      const loaded = next(url, context);
      const at = url.lastIndexOf(FOLDER);
      const inside = at === -1 ? undefined : url.slice(at + FOLDER.length);
      const known = inside === undefined ? undefined : listeners.get(inside);
      if (known === undefined || loaded.format !== 'module' || loaded.source === undefined || loaded.source === null) return loaded;
      const source = typeof loaded.source === 'string' ? loaded.source : new TextDecoder().decode(loaded.source as Uint8Array);
      const declared = [...new Set(known.flatMap(({ names: wanted }) => wanted))]
        .map((name) => `${name}: typeof ${name} === 'undefined' ? undefined : ${name}`)
        .join(', ');
      return { ...loaded, source: `${source}\n;globalThis[Symbol.for('lane.modules.v1')]?.('${inside}', { ${declared} }, import.meta.url);\n` };
    },
  });
}
