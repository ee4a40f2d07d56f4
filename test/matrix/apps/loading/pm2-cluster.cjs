'use strict';
// pm2's runtime in cluster mode, with an ecosystem file whose `env` has another setting than the daemon's environment; what the app prints becomes messages.
const { spawn } = require('node:child_process');
const { mkdtempSync, rmSync, writeFileSync } = require('node:fs');
const { tmpdir } = require('node:os');
const { join } = require('node:path');

const { AGENT, PORT } = process.env;
const home = mkdtempSync(join(tmpdir(), 'lane-pm2-'));
const ecosystem = join(home, 'ecosystem.config.json');
const app = {
  name: 'app',
  script: join(__dirname, 'pm2-app.cjs'),
  exec_mode: 'cluster',
  instances: 2,
  node_args: ['--require', AGENT],
  env: { LANE_BAGGAGE_KEY: 'lane' },
};
writeFileSync(ecosystem, JSON.stringify({ apps: [app] }));
const child = spawn(process.execPath, [require.resolve('pm2/bin/pm2-runtime'), 'start', ecosystem, '--raw'], {
  env: { ...process.env, PM2_HOME: home, LANE_BAGGAGE_KEY: 'of-the-daemon' },
  stdio: ['ignore', 'pipe', 'inherit'],
});
child.stdout.on('data', (chunk) => {
  for (const line of chunk.toString().split('\n')) {
    if (line.includes('listening')) process.send({ port: Number(PORT) });
    if (line.includes('a request is there')) process.send({ kind: 'request' });
  }
});
process.on('SIGTERM', () => child.kill());
child.on('close', () => {
  rmSync(home, { recursive: true, force: true });
  process.exit();
});
