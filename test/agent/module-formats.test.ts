/** A file to which the agent adds a line loads as without it, whatever its format and content. */
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { nodeVersions } from './nodes.js';
import { runApp } from './run-app.js';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'lane-formats-'));
});
afterAll(() => rm(folder, { recursive: true }));

const KINDS: ReadonlyArray<[kind: string, type: string, source: string]> = [
  ['CommonJS, as p-queue 6 is', 'commonjs', 'class PQueue { add() {} }\nexports.default = PQueue;'],
  ['an ES module without the names', 'module', 'export default class Other { add() {} }'],
  ['an ES module with the name in another scope', 'module', '{ class PQueue { add() {} } }\nexport default class Other { add() {} } // the end'],
  ['an ES module as it is expected', 'module', 'export default class PQueue { add() {} }'],
];

describe.each(nodeVersions())('$name', ({ path: node, major }) => {
  test.each(KINDS)('%s', async (kind, type, source) => {
    const app = join(folder, `${major} ${kind}`);
    const library = join(app, 'node_modules/p-queue');
    await mkdir(join(library, 'dist'), { recursive: true });
    await writeFile(join(library, 'package.json'), JSON.stringify({ name: 'p-queue', type, main: 'dist/index.js', exports: './dist/index.js' }));
    await writeFile(join(library, 'dist/index.js'), source);
    await writeFile(join(app, 'imports.mjs'), "import library from 'p-queue'; console.log(typeof (library.default ?? library).prototype.add);");
    await writeFile(join(app, 'requires.cjs'), "const library = require('p-queue'); console.log(typeof library.default.prototype.add);");
    const loads = type === 'commonjs' || major >= 22 ? ['imports.mjs', 'requires.cjs'] : ['imports.mjs'];
    for (const script of loads) {
      const nodeArgs = major === 22 ? ['--disable-warning=ExperimentalWarning'] : [];
      expect(await runApp({ node, nodeArgs, script: join(app, script) })).toEqual({ code: 0, stdout: 'function\n', stderr: '' });
    }
  });
});
