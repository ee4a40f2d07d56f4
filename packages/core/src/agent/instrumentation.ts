/** The shape of an instrumentation, for the agent and for third parties' packages (LANE_INSTRUMENTATIONS). Types only. */
import type { bindLane, currentContext, resumeContext } from '../context.js';
import type { Log } from '../log.js';
import type { Method, Replaceable, Undo } from './wrap.js';

/** A file of a package that has just been loaded. */
export interface FileOfPackage {
  /** Its exports, to be patched in place; for an ES module the requested declarations, by name. */
  readonly exports: unknown;
  /** As in `files` or `modules`: `package/path/within.js`. */
  readonly file: string;
  /** Its location: a path, or the URL of an ES module. */
  readonly filename: string;
}

/** What the agent provides to a third party's instrumentation. */
export interface InstrumentationTools {
  /** The one way to patch: replaces a method and keeps its visible properties. */
  readonly wrap: <F extends Replaceable = Method>(target: object, name: PropertyKey, make: (original: F) => Replaceable) => Undo | undefined;
  /**
   * Wraps code that runs beside the original call, so that a bug in it never reaches the app: returns undefined if `hook` throws. Failures
   * are counted under the instrumentation's name; after 100 in a row the hook is not called again.
   */
  readonly safely: <T, A extends unknown[], R>(hook: (this: T, ...args: A) => R) => (this: T, ...args: A) => R | undefined;
  /** The agent's log, at the level of LANE_LOG. */
  readonly log: Log;
  /** The current lane, to pass to `enterContext` later; undefined: none. */
  readonly currentContext: typeof currentContext;
  /** Calls a function in the lane that `currentContext` returned, of base if that was undefined. */
  readonly enterContext: typeof resumeContext;
  /** Binds a callback to the current lane. */
  readonly bindLane: typeof bindLane;
}

/** A package's file, as a third party's instrumentation gets it. */
export interface LoadedFile extends FileOfPackage {
  readonly tools: InstrumentationTools;
}

/** An instrumentation of one library. The agent's own get more at loading (`Loaded`) and start (`Start`). */
export interface Instrumentation<Loaded extends FileOfPackage = LoadedFile, Start = InstrumentationTools> {
  /** The library, in words. */
  readonly library: string;
  /** By package: a range of versions (`2.x`, `0.8`, `>=7`, `5 - 8`, several with `||`). Copies of other versions are not patched. */
  readonly versions: Readonly<Record<string, string>>;
  /** By package: further versions that need no patch, and are left alone without a log line. */
  readonly needless?: Readonly<Record<string, string>>;
  /** What it patches, in words. */
  readonly patches: string;
  /** Patches what exists at start. */
  readonly install?: (start: Start) => void;
  /** CommonJS files of packages, `package/path/within.js`; each is passed to `patch` as it loads. */
  readonly files?: readonly string[];
  /** ES modules, named the same way, and which of their declarations are passed to `patch`; none: their exports (Node 22.15 and later). */
  readonly modules?: Readonly<Record<string, readonly string[]>>;
  readonly patch?: (loaded: Loaded) => void;
}

/** What a package of LANE_INSTRUMENTATIONS exports. */
export interface InstrumentationPackage {
  /** By name: letters, digits, `.`, `_` and `-`, none of the agent's own. It is the name in LANE_DISABLE and `/status`. */
  readonly instrumentations: Readonly<Record<string, Instrumentation>>;
}
