/** What the knowledge of one library looks like, to the agent and to packages of third parties (LANE_INSTRUMENTATIONS). Types alone. */
import type { bindLane, currentContext, enterContext } from '../context.js';
import type { Log } from '../log.js';
import type { Method, Replaceable, Undo } from './wrap.js';

/** A file of a package that has just been loaded. */
export interface FileOfPackage {
  /** What it exports, patched in place; of an ES module the declarations asked for, by name. */
  readonly exports: unknown;
  /** As it stands in `files` or `modules`: `package/path/within.js`. */
  readonly file: string;
  /** Where it is: a path, or the URL of an ES module. */
  readonly filename: string;
}

/** What the agent lends to an instrumentation of a third party. */
export interface InstrumentationTools {
  /** The one way to patch: puts a function in the place of a method, and keeps what others see of it. */
  readonly wrap: <F extends Replaceable = Method>(target: object, name: PropertyKey, make: (original: F) => Replaceable) => Undo | undefined;
  /**
   * Wraps what is done beside the original call, so that a defect in it never reaches the app: gives undefined where `hook` throws. Failures
   * are counted under the instrumentation's name; after 100 in a row the hook is not called again.
   */
  readonly safely: <T, A extends unknown[], R>(hook: (this: T, ...args: A) => R) => (this: T, ...args: A) => R | undefined;
  /** The agent's log, at the level of LANE_LOG. */
  readonly log: Log;
  /** The lane of the work at hand; undefined: none. To be handed to `enterContext` later. */
  readonly currentContext: typeof currentContext;
  /** Calls a function in a lane that was had from `currentContext`. */
  readonly enterContext: typeof enterContext;
  /** Binds a callback to the lane of the work at hand. */
  readonly bindLane: typeof bindLane;
}

/** A file of a package, as an instrumentation of a third party gets it. */
export interface LoadedFile extends FileOfPackage {
  readonly tools: InstrumentationTools;
}

/** Knowledge of one library. The agent's own is told more as it is loaded (`Loaded`) and started (`Start`). */
export interface Instrumentation<Loaded extends FileOfPackage = LoadedFile, Start = InstrumentationTools> {
  /** The library, in words. */
  readonly library: string;
  /** By package: a range of versions (`2.x`, `0.8`, `>=7`, `5 - 8`, several with `||`). A copy of another version is not patched. */
  readonly versions: Readonly<Record<string, string>>;
  /** By package: further versions that are right by themselves, and are left alone without a word. */
  readonly needless?: Readonly<Record<string, string>>;
  /** What it patches, in words. */
  readonly patches: string;
  /** Patches what is there at start. */
  readonly install?: (start: Start) => void;
  /** CommonJS files of packages, `package/path/within.js`; each is handed to `patch` as it is loaded. */
  readonly files?: readonly string[];
  /** ES modules, named the same way, and which of their declarations are handed to `patch`; none: what they export (Node 22.15 and later). */
  readonly modules?: Readonly<Record<string, readonly string[]>>;
  readonly patch?: (loaded: Loaded) => void;
}

/** What a package of LANE_INSTRUMENTATIONS exports. */
export interface InstrumentationPackage {
  /** By name: letters, digits, `.`, `_` and `-`, none of the agent's own. It is the name in LANE_DISABLE and `/status`. */
  readonly instrumentations: Readonly<Record<string, Instrumentation>>;
}
