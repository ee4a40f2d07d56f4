/**
 * Tells when an ES module of interest has been loaded. It can't be patched once it is there, and no file of it is loaded by
 * CommonJS: a line at its end hands out what it has declared. Needs module.registerHooks (Node 22.15 and later).
 *
 * The line must never keep a file from loading: it is added to what the loader says is an ES module alone, since `import.meta` is an
 * error in CommonJS, which passes here too; and it names nothing that need be there.
 */
import module from 'node:module';
import { PackageFiles } from './package-files.js';
import { safely } from './safely.js';

const TOLD = Symbol.for('lane.modules.v1');

interface Loaded {
  format?: unknown;
  source?: unknown;
}
type RegisterHooks = (hooks: { load(url: string, context: object, next: (url: string, context: object) => Loaded): Loaded }) => unknown;

/** What a module has declared, by name. */
export type ModuleListener = (declared: Readonly<Record<string, unknown>>, url: string) => void;

interface Listener {
  readonly file: string;
  /** None: what it exports. */
  readonly names: readonly string[];
  readonly listener: ModuleListener;
}

const listeners = new PackageFiles<Listener>();
let installed = false;

/**
 * Calls `listener` with the declarations of those names when the module `package/path/within.js` has been loaded; without names, with its
 * exports, and of a package's name alone, with those of its entry.
 */
export function onModuleLoaded(file: string, names: readonly string[], listener: ModuleListener): void {
  const { registerHooks } = module as unknown as { registerHooks?: RegisterHooks };
  if (registerHooks === undefined) return;
  listeners.add(file, { file, names, listener: safely('es-module', listener) });
  if (installed) return;
  installed = true;
  Object.defineProperty(globalThis, TOLD, {
    value: (url: string, declared: Record<string, unknown>, exported: Record<string, unknown> | undefined) => {
      for (const { names: wanted, listener: tell } of listeners.of(url)) {
        if (wanted.length === 0) {
          if (exported !== undefined) tell(exported, url);
        } else if (wanted.every((name) => declared[name] !== undefined)) tell(declared, url);
      }
    },
  });
  registerHooks({
    load(url, context, next) {
      const loaded = next(url, context);
      if (loaded.format !== 'module' || loaded.source === undefined || loaded.source === null) return loaded;
      const known = listeners.of(url);
      if (known.length === 0) return loaded;
      const source = typeof loaded.source === 'string' ? loaded.source : new TextDecoder().decode(loaded.source as Uint8Array);
      const declared = [...new Set(known.flatMap(({ names }) => names))]
        .map((name) => `${name}: typeof ${name} === 'undefined' ? undefined : ${name}`)
        .join(', ');
      // A module may import itself, and has its exports by then, those of other modules that it passes on included.
      const exported = known.some(({ names }) => names.length === 0);
      const itself = exported ? `import * as lane$exports from ${JSON.stringify(url)};` : '';
      const told = `globalThis[Symbol.for('lane.modules.v1')]?.(import.meta.url, { ${declared} }, ${exported ? 'lane$exports' : 'undefined'});`;
      return { ...loaded, source: `${source}\n;${itself}${told}\n` };
    },
  });
}
