/** Starts the injector as a separate process, and a webhook that does nothing, with the same certificate. */
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { nextState } from '@lane/kubernetes/injector';
import { IMAGE, NACOS } from './pods.mjs';

const require = createRequire(import.meta.url);
const file = (name) => fileURLToPath(new URL(name, import.meta.url));
const LANE = join(require.resolve('@lane/cli/package.json'), '../dist/main.js');

const children = new Set();
process.on('exit', () => children.forEach((child) => child.kill('SIGKILL')));

/** A certificate for this machine, in files; clients must trust `ca`. */
export async function makeCertificate() {
  const { serving, trusted } = await nextState(undefined, ['127.0.0.1'], Date.now());
  const folder = mkdtempSync(join(tmpdir(), 'lane-bench-'));
  const files = [join(folder, 'tls.crt'), join(folder, 'tls.key')];
  writeFileSync(files[0], serving.certificate);
  writeFileSync(files[1], serving.key, { mode: 0o600 });
  return { files, ca: trusted.join('\n'), remove: () => rmSync(folder, { recursive: true }) };
}

/** `lane injector`. */
export function startInjector([certificate, key], node) {
  const options = ['--image', IMAGE, '--env', `LANE_NACOS_SERVER=${NACOS}`];
  const tls = ['--tls-cert', certificate, '--tls-key', key];
  return start(LANE, ['injector', '--host', '127.0.0.1', '--port', '0', '--metrics-port', '0', ...options, ...tls], node);
}

/** The webhook that does nothing. */
export function startDoNothing(files, node) {
  return start(file('do-nothing.cjs'), files, node);
}

async function start(script, args, node = process.execPath) {
  const child = fork(script, args, {
    execPath: node,
    execArgv: ['--require', file('../preload/usage.cjs')],
    env: { ...process.env, NODE_OPTIONS: '' },
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
  });
  children.add(child);
  const told = await Promise.race([once(child, 'message'), once(child, 'exit').then(() => undefined)]);
  if (told === undefined) throw new Error(`${script} exited before it listened`);
  return {
    port: told[0].port,
    async usage() {
      child.send('usage');
      return (await once(child, 'message'))[0];
    },
    async stop() {
      const ended = once(child, 'exit');
      child.kill('SIGTERM');
      // Its channel to us would keep it running.
      child.disconnect();
      await ended;
      children.delete(child);
    },
  };
}
