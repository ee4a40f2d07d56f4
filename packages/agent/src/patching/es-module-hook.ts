/**
 * Reports when an ES module of interest has been loaded. It can't be patched afterwards, and CommonJS does not load its
 * file. So we append a line that exposes what it has declared, and can replace an exported function at its
 * declaration. Needs module.registerHooks (Node 22.15 and later).
 *
 * The line must never stop a file from loading. It is added only to what the loader reports as an ES module, because `import.meta` is an
 * error in CommonJS, which passes here too; and it names nothing that might be missing.
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

/** Replaces an exported function, by the name of the export. */
type Setters = Readonly<Record<string, (value: unknown) => void>>;

/** What a module has declared, or exports, by name. Exported functions can be replaced. */
export type ModuleListener = (declared: Readonly<Record<string, unknown>>, url: string) => void;

interface Listener {
  /** None: what it exports. */
  readonly names: readonly string[];
  readonly listener: ModuleListener;
}

const { registerHooks } = module as unknown as { registerHooks?: RegisterHooks };
/** Whether ES modules are seen at all. */
export const seesModules = registerHooks !== undefined;

const listeners = new PackageFiles<Listener>();
let installed = false;

/**
 * Calls `listener` with the declarations of those names when the module `package/path/within.js` has been loaded; without names, with its
 * exports, and of a package's name alone, with those of its entry. The listener must not throw.
 */
export function onModuleLoaded(file: string, names: readonly string[], listener: ModuleListener): void {
  if (registerHooks === undefined) return;
  listeners.add(file, { names, listener });
  if (installed) return;
  installed = true;
  // The module's own code calls this.
  Object.defineProperty(globalThis, TOLD, { value: safely('es-module', tell) });
  registerHooks({
    load(url, context, next) {
      const loaded = next(url, context);
      if (loaded.format !== 'module' || loaded.source === undefined || loaded.source === null) return loaded;
      const known = listeners.of(url).map(({ value }) => value);
      if (known.length === 0) return loaded;
      const source = typeof loaded.source === 'string' ? loaded.source : new TextDecoder().decode(loaded.source as Uint8Array);
      const declared = [...new Set(known.flatMap(({ names }) => names))]
        .map((name) => `${name}: typeof ${name} === 'undefined' ? undefined : ${name}`)
        .join(', ');
      // A module may import itself, and then has its exports, including re-exported ones.
      const exported = known.some(({ names }) => names.length === 0);
      const itself = exported ? `import * as lane$exports from ${JSON.stringify(url)};` : '';
      const setters = exported ? functionsOf()(source).map(([name, local]) => `${JSON.stringify(name)}: (value) => { ${local} = value; }`) : [];
      const handed = exported ? `lane$exports, { ${setters.join(', ')} }` : 'undefined, {}';
      const told = `globalThis[Symbol.for('lane.modules.v1')]?.(import.meta.url, { ${declared} }, ${handed});`;
      return { ...loaded, source: `${source}\n;${itself}${told}\n` };
    },
  });
}

function tell(url: string, declared: Record<string, unknown>, exported: Record<string, unknown> | undefined, setters: Setters): void {
  for (const { value } of listeners.of(url)) {
    const { names, listener } = value;
    if (names.length === 0) {
      if (exported !== undefined) replacing(exported, setters, (replaceable) => listener(replaceable, url));
    } else if (names.every((name) => declared[name] !== undefined)) listener(declared, url);
  }
}

/** A replacement may fail, as what is taken for a function need not be one; then the file's other listeners still hear of it. */
const replacing = safely('es-module', tellReplaceable);

/** Loaded with the first module that needs it. */
const functionsOf = (): typeof import('./exported-functions.js').functionsOf =>
  (require('./exported-functions.js') as typeof import('./exported-functions.js')).functionsOf;

/** Passes on a view of the exports in which functions can be replaced, and puts replacements into the module. */
function tellReplaceable(exported: Record<string, unknown>, setters: Setters, tell: (view: Record<string, unknown>) => void): void {
  const names = Object.keys(setters);
  const own = names.map((name) => [name, { value: exported[name], writable: true, enumerable: true, configurable: true }]);
  // Any other replacement would change only the view.
  const view = Object.preventExtensions(Object.create(exported, Object.fromEntries(own)) as Record<string, unknown>);
  tell(view);
  for (const name of names) if (view[name] !== exported[name]) (setters[name] as (value: unknown) => void)(view[name]);
}
