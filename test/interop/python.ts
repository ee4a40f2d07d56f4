/** Programs from PyPI, each set in its own virtual environment under .cache. */
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { download, run } from '../servers/downloads.js';

/** The folder of programs of a virtual environment with these requirements (`name==version`); created at first use, and again when they change. */
export async function pythonPrograms(name: string, requirements: readonly string[]): Promise<string> {
  const folder = join(__dirname, '../../.cache/python', name);
  const stamp = join(folder, 'requirements');
  const programs = join(folder, process.platform === 'win32' ? 'Scripts' : 'bin');
  const wanted = requirements.join('\n');
  if (existsSync(stamp) && readFileSync(stamp, 'utf8') === wanted) return programs;
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  try {
    await run('python3', ['-m', 'venv', folder]);
    await download(join(programs, 'python'), ['-m', 'pip', 'install', '--quiet', '--disable-pip-version-check', ...requirements]);
  } catch (error) {
    throw new Error(
      `${name} could not be installed; it takes Python 3.9 or later with venv (Debian: python3-venv) and a pip that reaches PyPI. ${(error as Error).message}`,
    );
  }
  writeFileSync(stamp, wanted);
  return programs;
}
