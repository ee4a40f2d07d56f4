/** Of each library the agent patches versions that it knows, and says what it leaves alone. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { runApp } from './run-app.js';

/** A folder with a copy of `q` as the instrumentation expects it, and an app that says whether it has been patched. */
function appWith(version: string): string {
  const folder = mkdtempSync(join(tmpdir(), 'lane-versions-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  const files = {
    'node_modules/q/package.json': JSON.stringify({ name: 'q', version, main: 'q.js' }),
    'node_modules/q/q.js': 'function Promise() {} Promise.prototype.then = function then() {}; exports.makePromise = Promise;',
    'app.cjs': `
      const isPatched = Object.hasOwn(require('q').makePromise.prototype.then, Symbol.for('lane.original.v1'));
      process.stdout.write(isPatched ? 'patched' : 'as it was');`,
    'early.cjs': "require('q');",
  };
  for (const [name, content] of Object.entries(files)) {
    mkdirSync(dirname(join(folder, name)), { recursive: true });
    writeFileSync(join(folder, name), content);
  }
  return folder;
}

test('a version that it knows is patched, without a word', async () => {
  expect(await runApp({ script: join(appWith('1.5.1'), 'app.cjs') })).toEqual({ code: 0, stdout: 'patched', stderr: '' });
});

test.each(['2.0.0', '0.9.7'])('q %s, which it does not know, is left as it is, and one line says what that means', async (version) => {
  const { code, stdout, stderr } = await runApp({ script: join(appWith(version), 'app.cjs') });
  expect([code, stdout]).toEqual([0, 'as it was']);
  expect(stderr).toMatch(/^lane warn: q \S+ is not patched: the agent knows q 1\.x\. Lanes may get lost in it .* folder=\S+q\n$/);
  expect(stderr).toContain(`q ${version} `);
});

test('a version that is right by itself is left as it is, without a word', async () => {
  const folder = appWith('1.5.1');
  mkdirSync(join(folder, 'node_modules/p-limit'));
  writeFileSync(join(folder, 'node_modules/p-limit/package.json'), JSON.stringify({ name: 'p-limit', version: '7.0.0' }));
  writeFileSync(join(folder, 'node_modules/p-limit/index.js'), 'module.exports = () => {};');
  writeFileSync(join(folder, 'app.cjs'), "process.stdout.write(String(Object.getOwnPropertySymbols(require('p-limit')).length));");
  expect(await runApp({ script: join(folder, 'app.cjs') })).toEqual({ code: 0, stdout: '0', stderr: '' });
});

test('a copy that has no version is taken for one that it knows', async () => {
  expect((await runApp({ script: join(appWith(''), 'app.cjs') })).stdout).toBe('patched');
});

test('a library that was loaded before the agent is patched, and one line says that it came too early', async () => {
  const folder = appWith('1.5.1');
  const { stdout, stderr } = await runApp({ script: join(folder, 'app.cjs'), nodeArgs: ['--require', join(folder, 'early.cjs')] });
  expect(stdout).toBe('patched');
  expect(stderr).toMatch(/^lane warn: q was loaded before the agent: .* Put --require @lane\/agent before whatever loads it\n$/);
});
