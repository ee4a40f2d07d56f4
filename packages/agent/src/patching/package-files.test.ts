import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { temporaryFolder } from '@lane/testing';
import { expect, test } from 'vitest';
import { PackageFiles } from './package-files.js';

/** Writes files; gives where they are. */
function folderWith(files: Readonly<Record<string, object | string>>): string {
  const folder = temporaryFolder();
  for (const [name, content] of Object.entries(files)) {
    mkdirSync(dirname(join(folder, name)), { recursive: true });
    writeFileSync(join(folder, name), typeof content === 'string' ? content : JSON.stringify(content));
  }
  return folder;
}

const UNDICI = { name: 'undici', version: '7.0.0' };

/** What was added for the file at a path. */
const valuesOf = (files: PackageFiles<string>, filename: string): string[] => files.of(filename).map(({ value }) => value);

test.each([
  ['its own folder', 'node_modules/undici'],
  ['an npm alias', 'node_modules/undici-new'],
  ['an alias with a scope', 'node_modules/@acme/undici'],
  ['a store of pnpm', 'node_modules/.pnpm/undici@7.0.0/node_modules/undici'],
  ['a copy within another package', 'node_modules/urllib/node_modules/undici'],
  ['a workspace', 'packages/undici'],
  ['a vendored copy', 'src/vendor/undici-7'],
])('a file is known by the name in package.json: %s', (_, where) => {
  const folder = folderWith({ [`${where}/package.json`]: UNDICI });
  const files = new PackageFiles<string>();
  files.add('undici/lib/dispatcher/base.js', 'found');
  const filename = join(folder, where, 'lib/dispatcher/base.js');
  expect(valuesOf(files, filename)).toEqual(['found']);
  expect(valuesOf(files, filename.replaceAll('/', '\\'))).toEqual(['found']);
  expect(valuesOf(files, pathToFileURL(filename).href)).toEqual(['found']);
  expect(valuesOf(files, join(folder, where, 'lib/base.js'))).toEqual([]);
});

test('a file of the same name in another package is another', () => {
  const folder = folderWith({ 'node_modules/other/package.json': { name: 'other' }, 'src/broken/package.json': '{' });
  const files = new PackageFiles<string>();
  files.add('undici/index.js', 'found');
  for (const where of ['node_modules/other', 'src/broken', 'src', 'node_modules/my-undici'])
    expect(valuesOf(files, join(folder, where, 'index.js'))).toEqual([]);
  // Whoever can't read package.json goes by the folder.
  expect(valuesOf(files, join(folder, 'node_modules/undici/index.js'))).toEqual(['found']);
});

test.each([
  [{}, 'index.js'],
  [{ main: './lib/main' }, 'lib/main.js'],
  [{ main: 'lib' }, 'lib/index.js'],
  [{ exports: './dist/a.mjs' }, 'dist/a.mjs'],
  [{ main: 'old.js', exports: { '.': { import: { types: './a.d.ts', default: './a.js' }, require: './a.cjs' }, './b': './b.js' } }, 'a.cjs'],
  [{ main: 'old.js', exports: { '.': { import: { types: './a.d.ts', default: './a.js' }, require: './a.cjs' }, './b': './b.js' } }, 'a.js'],
])('the entry of a package, %j: %s', (manifest, entry) => {
  const folder = folderWith({ 'node_modules/alias/package.json': { name: '@acme/queue', ...manifest } });
  const files = new PackageFiles<string>();
  files.add('@acme/queue', 'found');
  expect(valuesOf(files, join(folder, 'node_modules/alias', entry))).toEqual(['found']);
  for (const other of ['b.js', 'lib/other.js', 'a/index.js']) expect(valuesOf(files, join(folder, 'node_modules/alias', other))).toEqual([]);
});
