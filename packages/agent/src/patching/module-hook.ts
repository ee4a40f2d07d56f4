/**
 * Tells when a CommonJS file of interest has been loaded, also when an ES module imports it: `Module.prototype.load` is on
 * both ways (Node 20 to 26), and sees single files, so that patching happens before another file takes references.
 * Not seen: packages of ES modules only, and what a bundler has put into the app's own file.
 */
import Module from 'node:module';
import { PackageFiles } from './package-files.js';
import { safely } from './safely.js';
import { wrap } from './wrap.js';

/** Called with the module of a file, whose `exports` may be wrapped, where it is, and whether it was there before anybody listened. */
export type FileListener = (loaded: { exports: unknown }, filename: string, isLate: boolean) => void;

const listeners = new PackageFiles<FileListener>();
let installed = false;

/**
 * Calls `listener` each time such a file has been loaded; `file` is `package/path/within.js`, or a package's name for its entry. Files
 * loaded before count too.
 */
export function onFileLoaded(file: string, listener: FileListener): void {
  listeners.add(file, listener);
  if (!installed) install();
  for (const filename of Object.keys(require.cache)) {
    if (listeners.of(filename).includes(listener)) listener(require.cache[filename] as NodeJS.Module, filename, true);
  }
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
    for (const listener of listeners.of(filename)) listener(loaded, filename, false);
  });
  const prototype = (Module as unknown as { prototype: object }).prototype;
  wrap(
    prototype,
    'load',
    (original) =>
      function load(this: NodeJS.Module, ...args: unknown[]): unknown {
        const result = Reflect.apply(original, this, args);
        tell(this, args[0]);
        for (const listener of eachFile) listener(this, args[0]);
        return result;
      },
  );
}
