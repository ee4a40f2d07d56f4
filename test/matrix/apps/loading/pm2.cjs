'use strict';
// pm2's runtime, in the foreground; what the app prints becomes messages.
const { spawn } = require('node:child_process');
const { mkdtempSync } = require('node:fs');
const { tmpdir } = require('node:os');
const { join } = require('node:path');

const home = mkdtempSync(join(tmpdir(), 'lane-pm2-'));
const child = spawn(process.execPath, [require.resolve('pm2/bin/pm2-runtime'), join(__dirname, 'pm2-app.cjs'), '--raw'], {
  env: { ...process.env, PM2_HOME: home },
  stdio: ['ignore', 'pipe', 'inherit'],
});
child.stdout.on('data', (chunk) => {
  for (const line of chunk.toString().split('\n')) {
    if (line.includes('listening')) process.send({ port: Number(process.env.PORT) });
    if (line.includes('a request is there')) process.send({ kind: 'request' });
  }
});
process.on('SIGTERM', () => child.kill());
child.on('close', () => process.exit());
