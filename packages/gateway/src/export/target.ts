/** What a gateway must declare so that `lane gateway export` can write for it. */
import type { Plan } from './plan.js';

/**
 * A target gateway. Ours are the rows of `index.ts`; somebody else's module exports one as `exportTarget`, and
 * `lane gateway export @acme/lane-target` loads it.
 */
export interface ExportTarget {
  /** The name on the command line. */
  readonly name: string;
  /** What the output is for, and from which version on: `nginx 1.15.3 or later`. */
  readonly title: string;
  /** What the output is, for the help: `a file for the http block`. */
  readonly output: string;
  /** The usual name of its file. */
  readonly file: string;
  /** false: it names Services, and works without the addresses of instances. */
  readonly needsAddresses: boolean;
  /** The shell command that checks a file once it is in place; `$LANE_FILE` is its path. */
  readonly check?: string;
  /** The command that makes a running gateway reload its file, for `--watch`. undefined: it reloads by itself, or can't. */
  readonly reload?: string;
  /** Starts a comment line. Default `#`. */
  readonly comment?: string;
  /**
   * Writes the configuration. It reports what it can't express with `plan.gap`, and what it expresses differently with `plan.note`; both are
   * prepended to the result. Names and values in the plan may contain any character but control characters (values: any but NUL), so they
   * must be encoded by the target's own grammar; only `Upstream.name` is a plain word.
   */
  readonly write: (plan: Plan) => string;
}

const TEXTS = ['name', 'title', 'output', 'file'] as const;

/** The target that a loaded module exports, as `exportTarget` or as default. Throws, naming what is missing, if it exports none. */
export function exportTargetOf(module: unknown, from: string): ExportTarget {
  const exported = module as { exportTarget?: unknown; default?: { exportTarget?: unknown } } | null | undefined;
  const target = (exported?.exportTarget ?? exported?.default?.exportTarget ?? exported?.default) as Partial<ExportTarget> | null | undefined;
  if (typeof target !== 'object' || target === null)
    throw new TypeError(
      `${from} exports no export target: it must export an object exportTarget with name, title, output, file, needsAddresses and write`,
    );
  const wrong = [
    ...TEXTS.filter((field) => typeof target[field] !== 'string' || target[field] === '').map((field) => `${field} (a text)`),
    ...(typeof target.needsAddresses === 'boolean' ? [] : ['needsAddresses (true or false)']),
    ...(typeof target.write === 'function' ? [] : ['write (a function from a plan to a text)']),
  ];
  if (wrong.length > 0) throw new TypeError(`the export target of ${from} lacks ${wrong.join(', ')}`);
  return target as ExportTarget;
}
