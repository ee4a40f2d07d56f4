/** Measures what is added to a pod's start: install.sh in the init container, and register.cjs before the app. */
import { spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const require = createRequire(import.meta.url);
const PACKAGES = fileURLToPath(new URL('../../../packages', import.meta.url));
/** The result of the Dockerfile's `pnpm deploy`: the agent with its dependencies. */
const DEPLOYED = ['core', 'nacos-registry', 'kubernetes-registry'];

/** The times of each in ms, and the amount copied. */
export function measureStart({ runs, node }) {
  const folder = mkdtempSync(join(tmpdir(), 'lane-bench-'));
  try {
    const image = join(folder, 'opt/lane');
    assemble(image);
    const install = [];
    let volume;
    for (let run = -2; run < runs; run++) {
      if (volume !== undefined) rmSync(volume, { recursive: true });
      volume = join(folder, `volume-${run}`);
      mkdirSync(volume);
      const elapsedMs = timed('sh', [join(image, 'install.sh'), volume]);
      if (run >= 0) install.push(elapsedMs);
    }
    const shell = [];
    const bare = [];
    const added = [];
    for (let run = -2; run < runs; run++) {
      const nothing = timed('sh', ['-c', ':']);
      const without = timed(node, ['-e', '0']);
      const withAgent = timed(node, ['--require', join(volume, 'register.cjs'), '-e', '0']);
      if (run < 0) continue;
      shell.push(nothing);
      bare.push(without);
      added.push(withAgent - without);
    }
    return { install, shell, bare, added, ...sizeOf(volume) };
  } finally {
    rmSync(folder, { recursive: true });
  }
}

function assemble(image) {
  for (const name of [...DEPLOYED, 'agent']) {
    const target = join(image, 'node_modules/@lane/agent', name === 'agent' ? '' : `node_modules/@lane/${name}`);
    const from = join(PACKAGES, name);
    // The published files, as package.json lists them, maps and types included.
    const { files = [] } = require(join(from, 'package.json'));
    for (const part of ['package.json', ...files.filter((pattern) => !pattern.startsWith('!'))]) {
      cpSync(join(from, part), join(target, part), { recursive: true, filter: (path) => !path.endsWith('.tsbuildinfo') });
    }
  }
  for (const part of ['register.cjs', 'drain.cjs', 'install.sh']) cpSync(join(PACKAGES, 'kubernetes/image', part), join(image, part));
}

function sizeOf(folder) {
  const entries = readdirSync(folder, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
  return { files: entries.length, bytes: entries.reduce((sum, { parentPath, name }) => sum + statSync(join(parentPath, name)).size, 0) };
}

function timed(command, args) {
  const started = performance.now();
  const { status, stderr } = spawnSync(command, args, { env: { ...process.env, NODE_OPTIONS: '' } });
  const elapsedMs = performance.now() - started;
  if (status !== 0) throw new Error(`${command} ${args.join(' ')} exited with code ${status}: ${String(stderr)}`);
  return elapsedMs;
}
