import type { Runtime } from '../boot/runtime.js';

/** A file of a package that has just been loaded. */
export interface LoadedFile {
  /** What it exports; patched in place. */
  readonly exports: unknown;
  /** As it stands in the table: `package/path/within.js`. */
  readonly file: string;
  /** Where it is. */
  readonly filename: string;
  readonly runtime: Runtime;
}

/** Knowledge of one library: a row of the table says what it is for, a file of the same name holds the code. */
export interface Instrumentation {
  readonly library: string;
  /** By package: the versions that it is for (`isInRange`). A copy of another version is not patched. */
  readonly versions: Readonly<Record<string, string>>;
  /** What it patches, in words. */
  readonly patches: string;
  /** Patches what is there at start. */
  readonly install?: (runtime: Runtime) => void;
  /** Files of packages, `package/path/within.js`, and what is done with each as it is loaded. */
  readonly files?: readonly string[];
  /** ES modules, named the same way, and which of their declarations are handed to `patch` (Node 22.15 and later). */
  readonly modules?: Readonly<Record<string, readonly string[]>>;
  readonly patch?: (loaded: LoadedFile) => void;
}
