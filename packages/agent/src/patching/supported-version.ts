/** Whether a copy of a library is of a version that its instrumentation knows: patched blindly, another one might break the app. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { AgentLog } from '../boot/log.js';
import { isInRange } from './version-range.js';

/** Of each package's folder; undefined: not to be had. */
const versionsByRoot = new Map<string, string | undefined>();

/**
 * Whether the copy that `filename` (a path or a file: URL) belongs to may be patched: its version is in the range of its package, or can't be
 * told. Says once of each copy that may not. `file` is `package/path/within.js`.
 */
export function isSupported(file: string, filename: string, versions: Readonly<Record<string, string>>, log: AgentLog): boolean {
  const name = packageOf(file);
  const range = versions[name];
  if (range === undefined) return true;
  const path = filename.startsWith('file:') ? fileURLToPath(filename) : filename;
  const root = path.slice(0, path.length - (file.length - name.length));
  const version = versionOf(root, name);
  if (version === undefined || isInRange(version, range) !== false) return true;
  log.once(
    `version of ${root}`,
    'warn',
    `${name} ${version} is not patched: the agent knows ${name} ${range}. Its calls and callbacks follow no lane until a version in that range is used, or an agent that knows this one`,
    { folder: root },
  );
  return false;
}

/** The package of `package/path/within.js`. */
export function packageOf(file: string): string {
  return file.split('/', file.startsWith('@') ? 2 : 1).join('/');
}

/** Of the package in that folder, if that is its name: a fork installed under the name of another has versions of its own. */
function versionOf(root: string, name: string): string | undefined {
  if (versionsByRoot.has(root)) return versionsByRoot.get(root);
  let version: string | undefined;
  try {
    const manifest = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { name?: unknown; version?: unknown } | null;
    if (manifest?.name === name && typeof manifest.version === 'string') version = manifest.version;
  } catch {
    // Not there, or may not be read (--permission): then nothing speaks against it.
  }
  versionsByRoot.set(root, version);
  return version;
}
