import type { FileOfPackage, Instrumentation as AnyInstrumentation } from '@lane/core/agent';
import type { LateRuntime } from '../boot/late-runtime.js';
import type { Runtime } from '../boot/runtime.js';

/** A package's file that has just been loaded. */
export interface LoadedFile extends FileOfPackage {
  /** Holds the file's exports, which may be wrapped if they are a function. */
  readonly holder: { exports: unknown };
  readonly runtime: Runtime;
}

/** Knowledge about one library: a row of the table describes it, a file of the same name holds the code. */
export type Instrumentation = AnyInstrumentation<LoadedFile, LateRuntime>;
