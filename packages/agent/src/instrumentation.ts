import type { Runtime } from './runtime.js';

/** Knowledge of one library: which versions, what it patches, and how. One file each, all of this shape, listed in one table. */
export interface Instrumentation {
  /** Its name in LANE_DISABLE. */
  readonly name: string;
  /** The library and the versions it is for. */
  readonly library: string;
  readonly versions: string;
  /** What it patches, in words. */
  readonly patches: string;
  /** Patches now, or as soon as the library is loaded. */
  install(runtime: Runtime): void;
}
