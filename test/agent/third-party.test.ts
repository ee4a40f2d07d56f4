/** LANE_INSTRUMENTATIONS: the app's packages add instrumentations to the agent, and cannot harm it. */
import { cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { runProgram } from '@lane/testing';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { nodeVersions } from './nodes.js';
import { AGENT, runApp } from './run-app.js';

const EXAMPLE = join(__dirname, '../../examples/instrumentation-of-ones-own');
let folder: string;

/** Installs a package that exports this. */
function install(name: string, text: string): void {
  mkdirSync(join(folder, 'node_modules', name), { recursive: true });
  writeFileSync(join(folder, 'node_modules', name, 'index.js'), text);
}

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'lane-instrumentations-'));
  cpSync(EXAMPLE, join(folder, 'node_modules/@acme/lane-queue'), { recursive: true });
  cpSync(join(EXAMPLE, 'acme-queue'), join(folder, 'node_modules/acme-queue'), { recursive: true });
  const row = (hooks: string): string =>
    `library: 'acme-queue', versions: { 'acme-queue': '1.x' }, patches: '', files: ['acme-queue/index.js'], ${hooks}`;
  install('throws-loading', `throw new Error('broken by itself');`);
  install('exports-nothing', '');
  install('throws-patching', `exports.instrumentations = { mine: { ${row(`patch() { throw new Error('broken patch'); }`)} } };`);
  install('throws-installing', `exports.instrumentations = { mine: { ${row(`install() { throw new Error('broken install'); }`)} } };`);
  install('takes-a-name', `exports.instrumentations = { pg: { ${row('patch() {}')} } };`);
  install('no-versions', `exports.instrumentations = { mine: { library: 'acme-queue', patches: '', files: [], patch() {} } };`);
  install('caret', `exports.instrumentations = { mine: { library: '', versions: { a: '^1.0.0' }, patches: '', patch() {} } };`);
  install(
    'throws-called',
    `exports.instrumentations = { mine: { ${row(`patch({ exports, tools: { wrap, safely } }) {
      const work = safely(() => { throw new Error('broken hook'); });
      wrap(exports.Queue.prototype, 'push', (original) => function push(...args) { work(); return Reflect.apply(original, this, args); });
    }`)} } };`,
  );
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const run = (packages: string, env: Record<string, string> = {}, node = process.execPath): ReturnType<typeof runApp> =>
  runApp({ node, script: 'own-queue.cjs', cwd: folder, env: { LANE_INSTRUMENTATIONS: packages, ...env } });

describe.each(nodeVersions())('$name', ({ path: node }) => {
  test('a library that loses the lane keeps it with a third-party instrumentation', async () => {
    expect(await run('', {}, node)).toEqual({ code: 0, stdout: 'gray,gray', stderr: '' });
    expect(await run('@acme/lane-queue', {}, node)).toEqual({ code: 0, stdout: 'gray,blue', stderr: '' });
  });
});

describe.each(nodeVersions().filter(({ major }) => major >= 22))('$name', ({ path: node }) => {
  test('one that fails at an ES module does not keep another one from it', async () => {
    // `start` looks like a function that can be replaced, and is a constant.
    install(
      'es-two',
      `export const run = (task) => task();
export function later(task) { return task(); }
export function helper() {
  function run() {}
  return run;
}
export { run as start };
const original = later;
export const isReplaced = () => later !== original;`,
    );
    writeFileSync(join(folder, 'node_modules/es-two/package.json'), JSON.stringify({ name: 'es-two', version: '1.0.0', type: 'module' }));
    install(
      'replaces-a-constant',
      `exports.instrumentations = { mine: { library: 'es-two', versions: { 'es-two': '1.x' }, patches: '', modules: { 'es-two/index.js': [] },
        patch({ exports, tools: { wrap } }) { wrap(exports, 'start', (original) => (...args) => original(...args)); } } };`,
    );
    writeFileSync(join(folder, 'es-two.mjs'), `import { isReplaced } from 'es-two';\nconsole.log(isReplaced());\n`);
    const env = { LANE_INSTRUMENTATIONS: 'replaces-a-constant', LANE_BIND: 'es-two/index.js:later[0]' };
    const { code, stdout, stderr } = await runProgram(node, ['--require', AGENT, 'es-two.mjs'], { cwd: folder, env });
    expect([code, stdout.trim()]).toEqual([0, 'true']);
    expect(stderr).toMatch(/a bug in the agent's es-module hook; .*Assignment to constant variable/);
  });
});

test('LANE_DISABLE disables it by name', async () => {
  expect(await run('@acme/lane-queue', { LANE_DISABLE: 'acme-queue' })).toEqual({ code: 0, stdout: 'gray,gray', stderr: '' });
});

test.each([
  ['@acme/not-there', /LANE_INSTRUMENTATIONS: @acme\/not-there can't be used: Cannot find module .* is it installed in the app/],
  ['throws-loading', /throws-loading can't be used: broken by itself/],
  ['exports-nothing', /exports-nothing can't be used: it does not export an object `instrumentations`/],
  ['throws-patching', /a bug in the agent's installation of mine hook; .*broken patch/],
  ['throws-installing', /a bug in the agent's installation of mine hook; .*broken install/],
  ['throws-called', /a bug in the agent's mine hook; .*broken hook/],
  ['takes-a-name', /"pg": that name is taken/],
  ['no-versions', /"mine": `versions` has a range for each package/],
  ['caret', /"\^1\.0\.0" is not a version range: must be/],
])('%s is one line in the log, the app runs, and the other packages are used', async (name, expected) => {
  const { code, stdout, stderr } = await run(`${name},@acme/lane-queue`);
  expect([code, stdout]).toEqual([0, 'gray,blue']);
  expect(stderr).toMatch(expected);
  expect(stderr.match(/^lane /gm)).toHaveLength(1);
});
