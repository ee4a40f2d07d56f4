/** Runs programs that download: package managers and builds. A registry that fails once does not fail a test. */
import { execFile } from 'node:child_process';
import { pause } from './lock.js';

const TRIES = 3;
const PAUSE_MS = 5_000;
const MAX_OUTPUT_BYTES = 64 * 1024 * 1024;

/** The surroundings of a program. */
export interface DownloadOptions {
  readonly cwd?: string;
  readonly env?: NodeJS.ProcessEnv;
}

/** Runs a program; rejects with the end of its output. */
export function run(command: string, args: readonly string[], options: DownloadOptions = {}): Promise<void> {
  return new Promise((done, fail) => {
    execFile(command, args, { ...options, maxBuffer: MAX_OUTPUT_BYTES }, (error, stdout, stderr) => {
      if (error === null) return done();
      const said = `${stdout}\n${stderr}`.split('\n').filter((line) => line.trim() !== '');
      fail(new Error(`${command} failed (${error.code ?? error.signal}):\n${said.slice(-15).join('\n')}`, { cause: error }));
    });
  });
}

/** The same, up to three times; a program that is not installed fails at once. */
export async function download(command: string, args: readonly string[], options: DownloadOptions = {}): Promise<void> {
  for (let tries = 1; ; tries++) {
    try {
      return await run(command, args, options);
    } catch (error) {
      if (tries === TRIES || ((error as Error).cause as NodeJS.ErrnoException).code === 'ENOENT') throw error;
      await pause(PAUSE_MS);
    }
  }
}

/** Runs Maven. */
export function maven(args: readonly string[]): Promise<void> {
  return download('mvn', ['-B', '-q', '--no-transfer-progress', ...args]);
}
