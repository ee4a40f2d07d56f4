/** The built programs of this repository. `npm test -- --changed` reruns tests that import this file when a program changes. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';
import { CLEAN, runProgram, type Result, type Surroundings } from './processes.js';

const PACKAGES = join(__dirname, '../..');

/** The `lane` command. */
export const LANE = join(PACKAGES, 'cli/dist/main.js');

/** The agent, for `--require`. */
export const AGENT = join(PACKAGES, 'agent/dist/register.js');

/** Runs `lane` to its end. */
export const runLane = (args: readonly string[], surroundings?: Surroundings): Promise<Result> =>
  runProgram(process.execPath, [LANE, ...args], surroundings);

/** Starts a service of examples/shop under the agent until the test ends, and returns its registered port. */
export async function startShopService(script: string, env: NodeJS.ProcessEnv): Promise<number> {
  const app = spawn(process.execPath, ['--require', AGENT, join(PACKAGES, '../examples/shop', script)], {
    env: { ...CLEAN, ...env },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  onTestFinished(async () => {
    const exited = once(app, 'exit');
    app.kill('SIGKILL');
    await exited;
  });
  let said = '';
  for await (const chunk of app.stdout as AsyncIterable<Buffer>) if ((said += chunk.toString()).includes('registered as')) break;
  return Number(/registered as [^:]+:(\d+)/.exec(said)?.[1]);
}
