import type { FileOfPackage, Instrumentation as AnyInstrumentation } from '@lane/core/agent';
import type { Runtime } from '../boot/runtime.js';

/** A file of a package that has just been loaded. */
export interface LoadedFile extends FileOfPackage {
  /** Has what the file exports, which may be wrapped where it is a function. */
  readonly holder: { exports: unknown };
  readonly runtime: Runtime;
}

/** Knowledge of one library: a row of the table says what it is for, a file of the same name holds the code. */
export type Instrumentation = AnyInstrumentation<LoadedFile, Runtime>;
