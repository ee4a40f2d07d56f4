import { fork } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import type { Provider } from './driver.js';

/** Starts a program of this folder that registers an instance and reports it; `vanish` kills it. Rejects if it ends before. */
export async function startProviderProcess(program: string, task: object): Promise<Provider> {
  const child = fork(join(__dirname, program), [JSON.stringify(task)], { stdio: ['ignore', 'ignore', 'inherit', 'ipc'] });
  const exited = once(child, 'exit');
  await Promise.race([once(child, 'message'), exited.then(() => Promise.reject(new Error(`${program} ended before it registered`)))]);
  return {
    async vanish() {
      child.kill('SIGKILL');
      await exited;
    },
  };
}
