/**
 * Tells when a CommonJS file of interest has been loaded, also when an ES module imports it: `Module.prototype.load` is on
 * both ways (Node 20 to 26), and sees single files, so that patching happens before another file takes references.
 * Not seen: packages of ES modules only, and what a bundler has put into the app's own file.
 */
import Module from 'node:module';
import { safely } from './safely.js';
import { wrap } from './wrap.js';

/** Called with what the file exports, where it is, and whether it was there before anybody listened. */
export type FileListener = (exports: unknown, filename: string, isLate: boolean) => void;

/** By `package/path/within.js`. */
const listeners = new Map<string, FileListener[]>();
let installed = false;

/** Calls `listener` each time such a file has been loaded; `file` is `package/path/within.js`. Files loaded before count too. */
export function onFileLoaded(file: string, listener: FileListener): void {
  listeners.set(file, [...(listeners.get(file) ?? []), listener]);
  if (!installed) install();
  for (const filename of Object.keys(require.cache)) {
    if (insidePackage(filename) === file) listener((require.cache[filename] as NodeJS.Module).exports, filename, true);
  }
}

const eachFile: Array<() => void> = [];

/** Calls `listener` after each CommonJS file that has been loaded. */
export function onEachFile(listener: () => void): void {
  eachFile.push(listener);
  if (!installed) install();
}

function install(): void {
  installed = true;
  const tell = safely('module', (loaded: NodeJS.Module, filename: string) => {
    const file = insidePackage(filename);
    if (file === undefined) return;
    for (const listener of listeners.get(file) ?? []) listener(loaded.exports, filename, false);
  });
  const prototype = (Module as unknown as { prototype: object }).prototype;
  wrap(
    prototype,
    'load',
    (original) =>
      function load(this: NodeJS.Module, ...args: unknown[]): unknown {
        const result = Reflect.apply(original, this, args);
        tell(this, args[0] as string);
        for (const listener of eachFile) listener();
        return result;
      },
  );
}

const FOLDER = 'node_modules';

function insidePackage(filename: string): string | undefined {
  if (typeof filename !== 'string') return undefined;
  const at = filename.lastIndexOf(FOLDER);
  if (at === -1) return undefined;
  const inside = filename.slice(at + FOLDER.length + 1);
  return inside.indexOf('\\') === -1 ? inside : inside.replaceAll('\\', '/');
}
