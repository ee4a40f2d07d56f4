/** Starts servers from Debian packages, each on its own port with its own data folder. */
import { execFileSync, spawn, type ChildProcess } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** A running server. */
export interface Service {
  readonly port: number;
  stop(): Promise<void>;
}

/** A server that is our child process. */
export interface ServiceProcess extends Service {
  /** Kills it, and keeps its folder for the next one. */
  kill(): Promise<void>;
}

const running = new Set<ChildProcess>();
process.on('exit', () => running.forEach((child) => child.kill('SIGKILL')));

/** A folder for the data of a server; removed with the server. */
export function dataFolder(name: string): string {
  return mkdtempSync(join(tmpdir(), `lane-${name}-`));
}

/** The first existing file of these. */
export function programOf(debianPackage: string, candidates: readonly string[]): string {
  const found = candidates.find((file) => existsSync(file));
  if (found === undefined) throw new Error(`${debianPackage} is not installed: apt-get install ${debianPackage}`);
  return found;
}

/** Starts a server; resolves once its output says that it is ready. */
export async function startService(
  command: string,
  args: readonly string[],
  ready: RegExp,
  port: number,
  folder: string,
  env: Record<string, string> = {},
): Promise<ServiceProcess> {
  const child = spawn(...endingWithUs(command, args), { stdio: ['ignore', 'pipe', 'pipe'], cwd: folder, env: { ...process.env, ...env } });
  running.add(child);
  const ended = new Promise<void>((resolve) => child.once('close', () => resolve()));
  let output = '';
  await new Promise<void>((resolve, reject) => {
    let isReady = false;
    const hear = (chunk: Buffer): void => {
      // Some print a line for each command that they serve.
      if (isReady) return;
      output += chunk.toString();
      isReady = ready.test(output);
      if (isReady) resolve();
    };
    child.stdout.on('data', hear);
    child.stderr.on('data', hear);
    child.once('error', reject);
    child.once('close', (code) => reject(new Error(`${command} ended with ${code}: ${output}`)));
  });
  return {
    port,
    async kill() {
      child.kill('SIGKILL');
      await ended;
      running.delete(child);
    },
    async stop() {
      child.kill('SIGTERM');
      await ended;
      running.delete(child);
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

/** A killed process, such as a hanging test worker, runs no exit handlers. So the system ends its servers, where it can. */
function endingWithUs(command: string, args: readonly string[]): [command: string, args: readonly string[]] {
  if (!existsSync(SETPRIV)) return [command, args];
  return [SETPRIV, ['--pdeathsig=KILL', ...(command === SETPRIV ? [] : [command]), ...args]];
}

/** From util-linux. */
const SETPRIV = '/usr/bin/setpriv';

/** Servers that refuse to run as root run as their package's user. */
export function asUser(user: string, folder: string, command: string, args: readonly string[]): [command: string, args: string[]] {
  if (process.getuid?.() !== 0) return [command, [...args]];
  execFileSync('chown', ['-R', user, folder]);
  return [SETPRIV, [`--reuid=${user}`, `--regid=${user}`, '--init-groups', command, ...args]];
}
