/**
 * Tells when an ES module of interest has been loaded. It can't be patched once it is there, and no file of it is loaded by
 * CommonJS: a line at its end hands out what it has declared, and puts another function in the place of one that it exports where it is
 * declared. Needs module.registerHooks (Node 22.15 and later).
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

/** Put another function in the place of one that is exported, by the name of the export. */
type Setters = Readonly<Record<string, (value: unknown) => void>>;

/** What a module has declared, or exports, by name. Another function may be put into the place of an exported one. */
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
  const replacing = safely('es-module', tellReplaceable);
  Object.defineProperty(globalThis, TOLD, {
    value: (url: string, declared: Record<string, unknown>, exported: Record<string, unknown> | undefined, setters: Setters) => {
      for (const { names: wanted, listener: tell } of listeners.of(url)) {
        if (wanted.length === 0) {
          if (exported !== undefined) replacing(exported, setters, (replaceable) => tell(replaceable, url));
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
      const setters = exported ? functionsOf(source).map(([name, local]) => `${JSON.stringify(name)}: (value) => { ${local} = value; }`) : [];
      const handed = exported ? `lane$exports, { ${setters.join(', ')} }` : 'undefined, {}';
      const told = `globalThis[Symbol.for('lane.modules.v1')]?.(import.meta.url, { ${declared} }, ${handed});`;
      return { ...loaded, source: `${source}\n;${itself}${told}\n` };
    },
  });
}

/** A declared function can be given another value, which whoever has imported it sees. */
const FUNCTION = /^[ \t]*(export[ \t]+(default[ \t]+)?)?(?:async[ \t]+)?function\b[ \t]*\*?[ \t]*([A-Za-z_$][\w$]*)/gm;
/** A list of what is exported, not of another module. */
const LIST = /^[ \t]*export[ \t]*\{([^{}]*)\}(?!\s*from\b)/gm;
const LISTED = /^\s*([A-Za-z_$][\w$]*)(?:\s+as\s+([A-Za-z_$][\w$]*))?\s*$/;

/** Names of the exported functions, and what they are called within. What only looks like one, in a comment, is exported by nobody. */
function functionsOf(source: string): Array<readonly [name: string, local: string]> {
  const found = new Map<string, string>();
  const declared = new Set<string>();
  for (const [, isExported, isDefault, local] of source.matchAll(FUNCTION)) {
    if (local === undefined || !isAssignable(local)) continue;
    declared.add(local);
    if (isExported !== undefined) found.set(isDefault === undefined ? local : 'default', local);
  }
  for (const [, list = ''] of source.matchAll(LIST)) {
    for (const entry of list.split(',')) {
      const [, local, name = local] = LISTED.exec(entry) ?? [];
      if (local !== undefined && name !== undefined && declared.has(local)) found.set(name, local);
    }
  }
  return [...found];
}

/** Words that can't be assigned to in a module (ECMA-262, 12.7.2, with those of strict code): one would keep the file from loading. */
const RESERVED =
  /^(?:arguments|await|break|case|catch|class|const|continue|debugger|default|delete|do|else|enum|eval|export|extends|false|finally|for|function|if|implements|import|in|instanceof|interface|let|new|null|package|private|protected|public|return|static|super|switch|this|throw|true|try|typeof|var|void|while|with|yield)$/;

function isAssignable(name: string): boolean {
  return !RESERVED.test(name);
}

/** Tells a view of what is exported in which functions can be replaced, and puts those that were into the module. */
function tellReplaceable(exported: Record<string, unknown>, setters: Setters, tell: (view: Record<string, unknown>) => void): void {
  const names = Object.keys(setters);
  const own = names.map((name) => [name, { value: exported[name], writable: true, enumerable: true, configurable: true }]);
  // Whatever else is replaced would be so in the view alone.
  const view = Object.preventExtensions(Object.create(exported, Object.fromEntries(own)) as Record<string, unknown>);
  tell(view);
  for (const name of names) if (view[name] !== exported[name]) (setters[name] as (value: unknown) => void)(view[name]);
}
