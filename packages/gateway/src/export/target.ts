/** What a gateway has to say of itself so that `lane gateway export` can write for it. */
import type { Plan } from './plan.js';

/**
 * A gateway that can be written for. Ours are the rows of `index.ts`; a module of somebody else exports one as `exportTarget`, and
 * `lane gateway export @acme/lane-target` loads it.
 */
export interface ExportTarget {
  /** The name on the command line. */
  readonly name: string;
  /** What the output is for, and from which version on: `nginx 1.15.3 or later`. */
  readonly title: string;
  /** What the output is, for the help: `a file for the http block`. */
  readonly output: string;
  /** The name that a file of it usually has. */
  readonly file: string;
  /** false: it names Services, and is of use without the addresses of instances. */
  readonly needsAddresses: boolean;
  /** The command that says whether a file is accepted, run by a shell in which `$LANE_FILE` is its path, once it is in its place. */
  readonly check?: string;
  /** The command that makes a running one read its file again, for `--watch`. undefined: it does so by itself, or can't. */
  readonly reload?: string;
  /** Begins a line of comment. Default `#`. */
  readonly comment?: string;
  /**
   * Writes the configuration. What it can't say it tells by `plan.gap`, what it says differently by `plan.note`; both are put in front
   * of what it returns. All names and values in the plan may hold any character but control characters (values: any but NUL), so they
   * have to be encoded by the target's own grammar; `Upstream.name` alone is a plain word.
   */
  readonly write: (plan: Plan) => string;
}

const TEXTS = ['name', 'title', 'output', 'file'] as const;

/** The target that a loaded module exports, as `exportTarget` or by default. Throws, with what is missing, where it exports none. */
export function exportTargetOf(module: unknown, from: string): ExportTarget {
  const exported = module as { exportTarget?: unknown; default?: { exportTarget?: unknown } } | null | undefined;
  const target = (exported?.exportTarget ?? exported?.default?.exportTarget ?? exported?.default) as Partial<ExportTarget> | null | undefined;
  if (typeof target !== 'object' || target === null)
    throw new TypeError(
      `${from} exports no export target: it has to export an object as exportTarget, with name, title, output, file, needsAddresses and write`,
    );
  const wrong = [
    ...TEXTS.filter((field) => typeof target[field] !== 'string' || target[field] === '').map((field) => `${field} (a text)`),
    ...(typeof target.needsAddresses === 'boolean' ? [] : ['needsAddresses (true or false)']),
    ...(typeof target.write === 'function' ? [] : ['write (a function from a plan to a text)']),
  ];
  if (wrong.length > 0) throw new TypeError(`the export target of ${from} lacks ${wrong.join(', ')}`);
  return target as ExportTarget;
}
