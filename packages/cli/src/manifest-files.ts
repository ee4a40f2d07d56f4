/** Reads manifests named on the command line: files, folders recursively, and standard input. */
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { text as readAll } from 'node:stream/consumers';
import { CliError } from './cli-error.js';
import { EXIT } from './exit-codes.js';

/** A text and its origin. */
export interface NamedText {
  /** Its path, or `-` for standard input. */
  readonly file: string;
  readonly text: string;
}

/** Reads a file, standard input for `-`, or the files of a folder whose names match `isMeant`, without hidden files and node_modules. */
export async function readManifests(path: string, isMeant: RegExp = /\.(?:ya?ml|json)$/i, option = ''): Promise<NamedText[]> {
  if (path === '-') return [{ file: '-', text: await readAll(process.stdin) }];
  try {
    if (!statSync(path).isDirectory()) return [{ file: path, text: readFileSync(path, 'utf8') }];
    return readdirSync(path, { recursive: true, encoding: 'utf8' })
      .filter((file) => isMeant.test(file) && !/(?:^|[\\/])(?:\.|node_modules)/.test(file))
      .sort()
      .map((file) => ({ file: join(path, file), text: readFileSync(join(path, file), 'utf8') }));
  } catch (error) {
    throw new CliError(`${option}${path} can't be read: ${(error as Error).message}`, 'ELANE_USAGE', EXIT.usage);
  }
}
