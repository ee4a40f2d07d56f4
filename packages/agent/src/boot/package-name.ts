import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';

/** The name in the package.json nearest to a script (default: the app's main one), going up; undefined where none has a name. */
export function packageNameOf(script: string | undefined = process.argv[1]): string | undefined {
  if (script === undefined) return undefined;
  const folder = dirname(script);
  const name = nameIn(join(folder, 'package.json'));
  return name !== undefined || folder === dirname(folder) ? name : packageNameOf(folder);
}

function nameIn(file: string): string | undefined {
  try {
    const { name } = JSON.parse(readFileSync(file, 'utf8')) as { name?: unknown };
    return typeof name === 'string' && name !== '' ? name : undefined;
  } catch {
    // It does not exist, or is not ours to judge.
    return undefined;
  }
}
