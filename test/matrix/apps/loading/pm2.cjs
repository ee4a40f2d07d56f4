'use strict';
// pm2's runtime, in the foreground, in fork mode or (`cluster`) in cluster mode with the guide's ecosystem file; turns the app's output into messages.
const { spawn } = require('node:child_process');
const { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } = require('node:fs');
const { tmpdir } = require('node:os');
const { join } = require('node:path');

const home = mkdtempSync(join(tmpdir(), 'lane-pm2-'));
const app = join(__dirname, 'pm2-app.cjs');
const isCluster = process.argv[2] === 'cluster';
const instances = isCluster ? 2 : 1;

/** The guide's file, in a folder where the agent is installed, with this app instead of the guide's. */
function ecosystem() {
  const guide = readFileSync(join(__dirname, '../../../../docs/guides/containers-and-pm2.md'), 'utf8');
  const [, text] = /```js\n(module\.exports = [^`]*)```/.exec(guide);
  const { AGENT, PORT, PEER } = process.env;
  mkdirSync(join(home, 'node_modules/@lane'), { recursive: true });
  symlinkSync(join(AGENT, '../..'), join(home, 'node_modules/@lane/agent'), 'junction');
  writeFileSync(join(home, 'guide.cjs'), text);
  const file = join(home, 'ecosystem.config.cjs');
  const own = JSON.stringify({ script: app, instances });
  const env = JSON.stringify({ LANE_TAG: 'canary', LANE_STAMP: 'true', PORT, PEER, CLUSTER: 'true' });
  writeFileSync(
    file,
    `const { apps: [app] } = require('./guide.cjs');\nmodule.exports = { apps: [{ ...app, ...${own}, env: { ...app.env, ...${env} } }] };\n`,
  );
  return file;
}

const child = spawn(process.execPath, [require.resolve('pm2/bin/pm2-runtime'), isCluster ? ecosystem() : app, '--raw'], {
  env: { ...process.env, PM2_HOME: home },
  // As at boot: PM2 does not run in the app's folder.
  cwd: tmpdir(),
  stdio: ['ignore', 'pipe', 'inherit'],
});
let listening = 0;
let rest = '';
child.stdout.setEncoding('utf8').on('data', (chunk) => {
  // A chunk may end within a line.
  const lines = (rest + chunk).split('\n');
  rest = lines.pop();
  for (const line of lines) {
    if (line.includes('listening') && ++listening === instances) process.send({ port: Number(process.env.PORT) });
    if (line.includes('a request has arrived')) process.send({ kind: 'request' });
  }
});
process.on('SIGTERM', () => child.kill());
child.on('close', () => {
  rmSync(home, { recursive: true, force: true });
  process.exit();
});
