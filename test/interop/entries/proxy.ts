/** Starts a proxy and waits until it listens. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { rmSync } from 'node:fs';
import { connect } from 'node:net';
import { eventually } from '@lane/testing/eventually';

/** A running proxy. */
export interface Proxy {
  readonly port: number;
  readonly pid: number;
  /** The folder of its configuration. */
  readonly folder: string;
  stop(): Promise<void>;
}

/** Options of {@link startProxy}. */
export interface ProxyOptions {
  readonly timeoutMs?: number;
  /** What it prints once it serves, if it listens before that. */
  readonly ready?: RegExp;
}

/** Starts a program that listens on `port`; `folder` is removed with it. */
export async function startProxy(
  command: string,
  args: readonly string[],
  port: number,
  folder: string,
  { timeoutMs = 90_000, ready }: ProxyOptions = {},
): Promise<Proxy> {
  const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'], cwd: folder });
  let said = '';
  const hear = (chunk: Buffer): void => void (said = (said + chunk.toString()).slice(-20_000));
  child.stdout.on('data', hear);
  child.stderr.on('data', hear);
  const exited = once(child, 'exit');
  const end = (): void => void child.kill('SIGKILL');
  process.once('exit', end);
  const stop = async (): Promise<void> => {
    child.kill('SIGTERM');
    const force = setTimeout(end, 5_000);
    await exited;
    clearTimeout(force);
    process.removeListener('exit', end);
    rmSync(folder, { recursive: true, force: true });
  };
  try {
    await eventually(
      async () => {
        if (child.exitCode !== null) return;
        if (ready?.test(said) === false) throw new Error(`it has not printed ${String(ready)}`);
        const socket = connect(port, '127.0.0.1');
        await once(socket, 'connect');
        socket.destroy();
      },
      { timeoutMs, intervalMs: 50 },
    );
    if (child.exitCode !== null) throw new Error('it ended');
  } catch (error) {
    await stop();
    throw new Error(`${command}: ${(error as Error).message}\n${said}`);
  }
  return { port, pid: child.pid as number, folder, stop };
}
