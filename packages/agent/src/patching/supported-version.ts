/** Whether a copy of a library has a version that its instrumentation knows: patching another one blindly might break the app. */
import { fileURLToPath } from 'node:url';
import type { AgentLog } from '../boot/log.js';
import type { Instrumentation } from './instrumentation.js';
import { manifestIn, packageOf } from './package-files.js';
import { isInRange } from './version-range.js';

/**
 * Whether the copy that `filename` (a path or a file: URL) belongs to may be patched: its version is in the range of its package, or
 * unknown. Logs each copy that may not once, unless it is one of `needless`. `file` is `package/path/within.js`.
 */
export function isSupported(
  file: string,
  filename: string,
  { versions, needless }: Pick<Instrumentation, 'versions' | 'needless'>,
  log: AgentLog,
): boolean {
  const name = packageOf(file);
  const range = versions[name];
  if (range === undefined) return true;
  const path = filename.startsWith('file:') ? fileURLToPath(filename) : filename;
  const root = path.slice(0, path.length - (file.length - name.length));
  const manifest = manifestIn(root.replaceAll('\\', '/'));
  // A fork installed under another package's name has its own versions.
  const version = manifest?.name === name ? manifest.version : undefined;
  if (version === undefined || isInRange(version, range) !== false) return true;
  const right = needless?.[name];
  if (right !== undefined && isInRange(version, right) === true) return false;
  log.once(
    `version of ${root}`,
    'warn',
    `${name} ${version} is not patched: this agent supports ${name} ${range}. Lanes may get lost in it: use a supported version, or a newer agent`,
    { folder: root },
  );
  return false;
}
