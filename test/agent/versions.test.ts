/** The agent patches the known versions of each library, and logs which others it leaves alone. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { runApp } from './run-app.js';

/** A folder with a copy of `q` as the instrumentation expects it, and an app that says whether it has been patched. */
function appWith(version: string): string {
  return folderOf({
    'node_modules/q/package.json': JSON.stringify({ name: 'q', version, main: 'q.js' }),
    'node_modules/q/q.js': 'function Promise() {} Promise.prototype.then = function then() {}; exports.makePromise = Promise;',
    'app.cjs': `
      const isPatched = Object.hasOwn(require('q').makePromise.prototype.then, Symbol.for('lane.original.v1'));
      process.stdout.write(isPatched ? 'patched' : 'as it was');`,
    'early.cjs': "require('q');",
  });
}

function folderOf(files: Readonly<Record<string, string>>): string {
  const folder = mkdtempSync(join(tmpdir(), 'lane-versions-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  for (const [name, content] of Object.entries(files)) {
    mkdirSync(dirname(join(folder, name)), { recursive: true });
    writeFileSync(join(folder, name), content);
  }
  return folder;
}

test('a known version is patched, and nothing is logged', async () => {
  expect(await runApp({ script: join(appWith('1.5.1'), 'app.cjs') })).toEqual({ code: 0, stdout: 'patched', stderr: '' });
});

test.each(['2.0.0', '0.9.7'])('the unknown version %s of q is left alone, and one line says what that means', async (version) => {
  const { code, stdout, stderr } = await runApp({ script: join(appWith(version), 'app.cjs') });
  expect([code, stdout]).toEqual([0, 'as it was']);
  expect(stderr).toMatch(/^lane warn: q \S+ is not patched: this agent supports q 1\.x\. Lanes may get lost in it: .* folder=\S+q\n$/);
  expect(stderr).toContain(`q ${version} `);
});

test.each([
  ['2.6.3', 'lib/naming/client.js', 'index.js'],
  ['3.0.0', 'dist/naming/client.js', 'dist/index.js'],
  ['3.0.0', 'somewhere/else.js', 'dist/index.js'],
])('nacos %s is patched where its client is in %s, whoever loads it', async (version, client, main) => {
  const beats = client.replace(/[^/]+$/, 'beat_reactor.js');
  const folder = folderOf({
    'node_modules/nacos/package.json': JSON.stringify({ name: 'nacos', version, main: 'dist/index.js' }),
    'node_modules/nacos/dist/index.js': "exports.NacosNamingClient = require('nacos-naming').NacosNamingClient;",
    'node_modules/nacos-naming/package.json': JSON.stringify({ name: 'nacos-naming', version, main }),
    [`node_modules/nacos-naming/${main}`]: `require('nacos-naming/${beats}'); exports.NacosNamingClient = require('nacos-naming/${client}').NacosNamingClient;`,
    [`node_modules/nacos-naming/${client}`]:
      'exports.NacosNamingClient = class { async selectInstances() { return []; } async selectOneHealthyInstance() { return null; } };',
    [`node_modules/nacos-naming/${beats}`]: 'exports.BeatReactor = class { async _startBeat() {} };',
    'app.cjs': `
      const { NacosNamingClient } = require('nacos');
      const patched = (method) => Object.hasOwn(NacosNamingClient.prototype[method], Symbol.for('lane.nacos.decorated.v1'));
      process.stdout.write(String([patched('selectInstances'), patched('selectOneHealthyInstance')]));`,
  });
  expect(await runApp({ script: join(folder, 'app.cjs') })).toEqual({ code: 0, stdout: 'true,true', stderr: '' });
});

test('a version that needs no patch is left alone, and nothing is logged', async () => {
  const folder = appWith('1.5.1');
  mkdirSync(join(folder, 'node_modules/p-limit'));
  writeFileSync(join(folder, 'node_modules/p-limit/package.json'), JSON.stringify({ name: 'p-limit', version: '7.0.0' }));
  writeFileSync(join(folder, 'node_modules/p-limit/index.js'), 'module.exports = () => {};');
  writeFileSync(join(folder, 'app.cjs'), "process.stdout.write(String(Object.getOwnPropertySymbols(require('p-limit')).length));");
  expect(await runApp({ script: join(folder, 'app.cjs') })).toEqual({ code: 0, stdout: '0', stderr: '' });
});

test('a copy without a version counts as known', async () => {
  expect((await runApp({ script: join(appWith(''), 'app.cjs') })).stdout).toBe('patched');
});

test('a library that was loaded before the agent is patched, and one line says that it came too early', async () => {
  const folder = appWith('1.5.1');
  const { stdout, stderr } = await runApp({ script: join(folder, 'app.cjs'), nodeArgs: ['--require', join(folder, 'early.cjs')] });
  expect(stdout).toBe('patched');
  expect(stderr).toMatch(/^lane warn: q was loaded before the agent: .* Put --require @lane\/agent before whatever loads it\n$/);
});
