import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { onFileLoaded } from './module-hook.js';

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'lane-module-'));
  for (const name of ['inner', 'outer', 'broken', 'imported', 'replaced']) {
    mkdirSync(join(folder, 'node_modules', name, 'lib'), { recursive: true });
    writeFileSync(join(folder, 'node_modules', name, 'lib/index.js'), `exports.value = '${name}';`);
  }
  writeFileSync(join(folder, 'node_modules/outer/lib/index.js'), `exports.seen = require('inner/lib/index.js').value;`);
  writeFileSync(join(folder, 'node_modules/broken/lib/index.js'), `throw new Error('broken by itself');`);
});
afterAll(() => rmSync(folder, { recursive: true }));

test('a file is told as it is loaded, before others take references from it', () => {
  const told: string[] = [];
  onFileLoaded('inner/lib/index.js', ({ exports }, filename) => {
    told.push(filename);
    (exports as { value: string }).value = 'patched';
  });
  const load = createRequire(join(folder, 'app.js'));
  expect(load('outer/lib/index.js')).toEqual({ seen: 'patched' });
  expect(told).toEqual([join(folder, 'node_modules/inner/lib/index.js')]);
});

test('a file that an ES module imports is told too', async () => {
  onFileLoaded('imported/lib/index.js', ({ exports }) => ((exports as { value: string }).value = 'patched'));
  writeFileSync(join(folder, 'app.mjs'), `import imported from 'imported/lib/index.js'; export const { value } = imported;`);
  const app = (await import(/* @vite-ignore */ pathToFileURL(join(folder, 'app.mjs')).href)) as { value: string };
  expect(app.value).toBe('patched');
});

test('another export in the place of that of a file is what an ES module imports, too', async () => {
  onFileLoaded('replaced/lib/index.js', (loaded) => (loaded.exports = { value: 'patched' }));
  writeFileSync(join(folder, 'other.mjs'), `import replaced from 'replaced/lib/index.js'; export const { value } = replaced;`);
  const app = (await import(/* @vite-ignore */ pathToFileURL(join(folder, 'other.mjs')).href)) as { value: string };
  expect(app.value).toBe('patched');
});

test('a file that fails to load fails as it would', () => {
  // Counted, not thrown: the hook swallows what a listener throws.
  let told = 0;
  onFileLoaded('broken/lib/index.js', () => told++);
  expect(() => createRequire(join(folder, 'app.js'))('broken/lib/index.js') as unknown).toThrow('broken by itself');
  expect(told).toBe(0);
});
