'use strict';
// pm2's runtime, in the foreground, in fork mode or (`cluster`) in cluster mode by an ecosystem file; what the app prints becomes messages.
const { spawn } = require('node:child_process');
const { mkdtempSync, rmSync, writeFileSync } = require('node:fs');
const { tmpdir } = require('node:os');
const { join } = require('node:path');

const home = mkdtempSync(join(tmpdir(), 'lane-pm2-'));
const app = join(__dirname, 'pm2-app.cjs');
const isCluster = process.argv[2] === 'cluster';
const instances = isCluster ? 2 : 1;

function ecosystem() {
  const file = join(home, 'ecosystem.config.json');
  const { AGENT, PORT, PEER } = process.env;
  const env = { LANE_TAG: 'canary', LANE_STAMP: 'true', PORT, PEER, CLUSTER: 'true' };
  writeFileSync(
    file,
    JSON.stringify({ apps: [{ name: 'orders', script: app, exec_mode: 'cluster', instances, node_args: ['--require', AGENT], env }] }),
  );
  return file;
}

const child = spawn(process.execPath, [require.resolve('pm2/bin/pm2-runtime'), isCluster ? ecosystem() : app, '--raw'], {
  env: { ...process.env, PM2_HOME: home },
  stdio: ['ignore', 'pipe', 'inherit'],
});
let listening = 0;
child.stdout.on('data', (chunk) => {
  for (const line of chunk.toString().split('\n')) {
    if (line.includes('listening') && ++listening === instances) process.send({ port: Number(process.env.PORT) });
    if (line.includes('a request is there')) process.send({ kind: 'request' });
  }
});
process.on('SIGTERM', () => child.kill());
child.on('close', () => {
  rmSync(home, { recursive: true, force: true });
  process.exit();
});
