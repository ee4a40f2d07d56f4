/**
 * Reports when a CommonJS file of interest has been loaded, also when an ES module imports it: `Module.prototype.load` is on
 * both ways (Node 20 to 26), and sees single files, so that patching happens before another file takes references.
 * Not seen: packages that are ES modules only, and what a bundler has put into the app's own file.
 */
import Module from 'node:module';
import { PackageFiles, type PackageFile } from './package-files.js';
import { safely } from './safely.js';
import { wrap } from './wrap.js';

/** Called with a file's module, whose `exports` may be wrapped, its path, its name as listened for, and whether it was loaded before anybody listened. */
export type FileListener = (loaded: { exports: unknown }, filename: string, file: string, isLate: boolean) => void;

const listeners = new PackageFiles<FileListener>();
let added: Array<PackageFile<FileListener>> = [];
let installed = false;

/**
 * Calls `listener` each time such a file has been loaded; `file` is `package/path/within.js`, or a package's name for its entry. {@link tellOfLoadedFiles}
 * reports files loaded before.
 */
export function onFileLoaded(file: string, listener: FileListener): void {
  added.push(listeners.add(file, listener));
  if (!installed) install();
}

/** Tells listeners added since the last time about files that were loaded before. */
export function tellOfLoadedFiles(): void {
  const loaded = Object.keys(require.cache).map((filename) => [filename, listeners.of(filename)] as const);
  // In the order of registration: a library's files need each other.
  for (const each of added) {
    for (const [filename, known] of loaded) if (known.includes(each)) each.value(require.cache[filename] as NodeJS.Module, filename, each.file, true);
  }
  added = [];
}

type EachFileListener = (loaded: { exports: unknown }, filename: unknown) => void;
const eachFile: EachFileListener[] = [];

/** Calls `listener` after each CommonJS file that has been loaded. */
export function onEachFile(listener: EachFileListener): void {
  eachFile.push(listener);
  if (!installed) install();
}

function install(): void {
  installed = true;
  const tell = safely('module', (loaded: NodeJS.Module, filename: unknown) => {
    if (typeof filename !== 'string') return;
    for (const { value: listener, file } of listeners.of(filename)) listener(loaded, filename, file, false);
  });
  const prototype = (Module as unknown as { prototype: object }).prototype;
  // Node 20 stores an ES module's view of the file before `load` returns, so a replaced export must be in place by then.
  const compiled = new WeakSet<NodeJS.Module>();
  wrap(
    prototype,
    '_compile',
    (original) =>
      function _compile(this: NodeJS.Module, ...args: unknown[]): unknown {
        const result = Reflect.apply(original, this, args);
        if (!compiled.has(this)) {
          compiled.add(this);
          tell(this, args[1]);
        }
        return result;
      },
  );
  wrap(
    prototype,
    'load',
    (original) =>
      function load(this: NodeJS.Module, ...args: unknown[]): unknown {
        const result = Reflect.apply(original, this, args);
        if (!compiled.has(this)) tell(this, args[0]);
        for (const listener of eachFile) listener(this, args[0]);
        return result;
      },
  );
}
