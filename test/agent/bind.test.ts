/** LANE_BIND: an app names library methods whose callbacks must run in the lane of their caller. */
import { cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { nodeVersions } from './nodes.js';
import { runApp } from './run-app.js';

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'lane-bind-'));
  const queue = join(__dirname, '../../examples/instrumentation-of-ones-own/acme-queue');
  cpSync(queue, join(folder, 'node_modules/acme-queue'), { recursive: true });
  const module = join(folder, 'node_modules/es-queue');
  mkdirSync(module);
  // An entry file that only re-exports.
  writeFileSync(join(module, 'package.json'), JSON.stringify({ name: 'es-queue', type: 'module', exports: './index.js' }));
  writeFileSync(join(module, 'index.js'), `export { Queue } from './queue.js';\nexport const other = 1; // the end`);
  writeFileSync(
    join(module, 'queue.js'),
    `export class Queue {
      tasks = [];
      push(task, done) { this.tasks.push(done); if (this.tasks.length === 2) for (const each of this.tasks) each(); }
    }`,
  );
  const functions = join(folder, 'node_modules/es-limit');
  mkdirSync(functions);
  writeFileSync(join(functions, 'package.json'), JSON.stringify({ name: 'es-limit', type: 'module', exports: './index.js' }));
  writeFileSync(
    join(functions, 'index.js'),
    `// What is no function:
    /*
    export function for the reader
    export function nothing(
    */
    export default function limit() {
      const tasks = [];
      return (task) => { tasks.push(task); if (tasks.length === 2) for (const each of tasks) each(); };
    }
    export async function named() {}
    function inner(task) { const f = () => task(); setImmediate(f); }
    const constant = 1;
    export { inner as later, constant };
    export { readFileSync as inner } from 'node:fs';
    export const run = (task) => task();`,
  );
  writeFileSync(
    join(folder, 'limit.mjs'),
    `import makeLimit, { named } from 'es-limit';
    import { createRequire } from 'node:module';
    const { currentLane, runInLane } = createRequire(${JSON.stringify(__filename)})('@lane/core');
    const limit = makeLimit();
    const seen = [];
    const done = () => seen.push(currentLane()) === 2 && process.stdout.write([...seen, named.name, makeLimit.name].join());
    runInLane('gray', () => limit(done));
    runInLane('blue', () => limit(done));`,
  );
  writeFileSync(
    join(folder, 'app.mjs'),
    `import { Queue } from 'es-queue';
    import { createRequire } from 'node:module';
    const { currentLane, runInLane } = createRequire(${JSON.stringify(__filename)})('@lane/core');
    const queue = new Queue();
    const seen = [];
    const done = () => seen.push(currentLane()) === 2 && process.stdout.write(seen.join());
    runInLane('gray', () => queue.push(1, done));
    runInLane('blue', () => queue.push(2, done));`,
  );
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const run = (LANE_BIND: string, node = process.execPath, script = 'own-queue.cjs', nodeArgs: string[] = []): ReturnType<typeof runApp> =>
  runApp({ node, script, nodeArgs, cwd: folder, env: { LANE_BIND } });

describe.each(nodeVersions())('$name', ({ path: node, major }) => {
  test('a library that loses the lane now keeps it', async () => {
    expect(await run('', node)).toEqual({ code: 0, stdout: 'gray,gray', stderr: '' });
    expect(await run('acme-queue:Queue.prototype.push[1]', node)).toEqual({ code: 0, stdout: 'gray,blue', stderr: '' });
    expect(await run('other:a.b, acme-queue/index.js:Queue.prototype.push[0,1]', node)).toEqual({ code: 0, stdout: 'gray,blue', stderr: '' });
  });

  test.skipIf(major < 22)('so does an ES module', async () => {
    const app = join(folder, 'app.mjs');
    expect(await run('', node, app)).toEqual({ code: 0, stdout: 'blue,blue', stderr: '' });
    expect(await run('es-queue:Queue.prototype.push', node, app)).toEqual({ code: 0, stdout: 'gray,blue', stderr: '' });
  });

  test.skipIf(major < 22)('so does a function that an ES module exports', async () => {
    const app = join(folder, 'limit.mjs');
    expect(await run('', node, app)).toEqual({ code: 0, stdout: 'blue,blue,named,limit', stderr: '' });
    expect(await run('es-limit:()[0]', node, app)).toEqual({ code: 0, stdout: 'gray,blue,named,limit', stderr: '' });
    expect(await run('es-limit:later[0],es-limit:()[0]', node, app)).toEqual({ code: 0, stdout: 'gray,blue,named,limit', stderr: '' });
    const constant = await run('es-limit:run[0]', node, app);
    expect([constant.code, constant.stdout]).toEqual([0, 'blue,blue,named,limit']);
    expect(constant.stderr).toContain("LANE_BIND: es-limit exports no method run, or one that can't be replaced");
  });
});

test('a line that does not fit the library, or is malformed, is reported, and the app runs', async () => {
  const wrong = await run('acme-queue:Queue.prototype.add[0],acme-queue Queue.push');
  expect([wrong.code, wrong.stdout]).toEqual([0, 'gray,gray']);
  expect(wrong.stderr).toContain("LANE_BIND: acme-queue exports no method Queue.prototype.add, or one that can't be replaced");
  expect(wrong.stderr).toContain('LANE_BIND entry "acme-queue" is not valid: must be package:path.to.method[0]');
});
