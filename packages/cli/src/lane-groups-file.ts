/** Reads lane groups from JSON or YAML files, and reports problems with line and column. */
import { readFileSync } from 'node:fs';
import { text as readAll } from 'node:stream/consumers';
import { parseLaneGroups, type LaneGroupsDocument, type Problem } from '@lane/core/rules';
import { CliError } from './cli-error.js';
import { EXIT } from './exit-codes.js';

type Yaml = typeof import('yaml');

/** A problem and its place in the file. */
export interface PlacedProblem extends Problem {
  readonly line: number | undefined;
  readonly column: number | undefined;
}

/** The error for a file without valid lane groups; one line per problem. */
export class LaneGroupsFileError extends CliError {
  readonly problems: readonly PlacedProblem[];

  constructor(file: string, problems: readonly PlacedProblem[]) {
    const lines = problems.map(({ line, column, path, message }) => {
      const place = line === undefined ? '' : `:${line}:${column}`;
      return `  ${file}${place}  ${path === '' ? '' : `${path} `}${message}`;
    });
    super(`${file} has no valid lane groups:\n${lines.join('\n')}`, 'ELANE_INVALID_LANE_GROUPS', EXIT.failed);
    this.name = 'LaneGroupsFileError';
    this.problems = problems;
  }
}

/** The document of a text, or its problems with their places. */
export type PlacedLaneGroups =
  | { readonly ok: true; readonly document: LaneGroupsDocument }
  | { readonly ok: false; readonly problems: readonly PlacedProblem[] };

/** Reads a file, or standard input for `-`. */
export async function readLaneGroupsFile(file: string): Promise<LaneGroupsDocument> {
  const parsed = parseLaneGroupsText(await readText(file));
  if (parsed.ok) return parsed.document;
  throw new LaneGroupsFileError(file === '-' ? 'standard input' : file, parsed.problems);
}

/** Parses JSON or YAML. A single group becomes a document of one. Never throws. */
export function parseLaneGroupsText(text: string): PlacedLaneGroups {
  const { LineCounter, parseDocument } = require('yaml') as Yaml;
  const lines = new LineCounter();
  // JSON is YAML, too.
  const source = parseDocument(text.replace(/^\uFEFF/, ''), { lineCounter: lines, prettyErrors: false, uniqueKeys: true });
  if (source.errors.length > 0)
    return { ok: false, problems: source.errors.map(({ message, pos }) => ({ path: '', message, ...placeOf(lines.linePos(pos[0])) })) };
  let value: unknown;
  try {
    value = source.toJS();
  } catch (bomb) {
    // Aliases of aliases: yaml refuses to expand them without limit.
    return { ok: false, problems: [{ path: '', message: `${(bomb as Error).message}: write it without aliases (*)`, line: 1, column: 1 }] };
  }
  const isGroup = typeof value === 'object' && value !== null && !('groups' in value) && 'services' in value;
  const parsed = parseLaneGroups(isGroup ? { version: 1, groups: [value] } : value);
  if (parsed.ok) return { ok: true, document: parsed.document };
  return {
    ok: false,
    problems: parsed.problems.map((problem) => {
      const keys = problem.path.split('/').slice(1).map(unescape);
      const path = isGroup ? keys.slice(2) : keys;
      return { ...problem, path: path.length === 0 ? '' : `/${path.join('/')}`, ...place(path) };
    }),
  };

  /** The place of the field, or of its nearest existing ancestor. */
  function place(path: readonly string[]): Pick<PlacedProblem, 'line' | 'column'> {
    for (let length = path.length; length >= 0; length--) {
      const node = source.getIn(
        path.slice(0, length).map((key) => (/^\d+$/.test(key) ? Number(key) : key)),
        true,
      ) as { range?: readonly number[] | null } | undefined;
      const start = node?.range?.[0];
      if (start !== undefined) return placeOf(lines.linePos(start));
    }
    return { line: undefined, column: undefined };
  }
}

function placeOf({ line, col }: { line: number; col: number }): { line: number; column: number } {
  return { line, column: col };
}

function unescape(key: string): string {
  return key.replaceAll('~1', '/').replaceAll('~0', '~');
}

async function readText(file: string): Promise<string> {
  if (file === '-') return readAll(process.stdin);
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    throw new CliError(
      `${file} can't be read (${(error as NodeJS.ErrnoException).code ?? String(error)}): give a file, or - for standard input`,
      'ELANE_FILE',
    );
  }
}
