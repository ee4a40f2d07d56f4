import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { packageNameOf } from './package-name.js';

test('is that of the nearest package.json with a name', () => {
  const folder = mkdtempSync(join(tmpdir(), 'lane-name-'));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  mkdirSync(join(folder, 'dist/cjs'), { recursive: true });
  const script = join(folder, 'dist/cjs/main.js');
  writeFileSync(join(folder, 'package.json'), '{"name": "shop-a"}');
  writeFileSync(join(folder, 'dist/cjs/package.json'), '{"type": "commonjs"}');
  expect(packageNameOf(script)).toBe('shop-a');
  writeFileSync(join(folder, 'dist/package.json'), 'not JSON');
  expect(packageNameOf(script)).toBe('shop-a');
  writeFileSync(join(folder, 'dist/cjs/package.json'), '{"name": "nearer"}');
  expect(packageNameOf(script)).toBe('nearer');
});

test('is undefined if there is none', () => {
  expect(packageNameOf('/no-such-folder-here/main.js')).toBeUndefined();
});
