import { expect, test } from 'vitest';
import { isPackageManager } from './package-manager.js';

test.each([
  '/usr/lib/node_modules/npm/bin/npm-cli.js',
  '/usr/bin/npx',
  '/opt/pnpm/bin/pnpm.cjs',
  'pnpm.mjs',
  '/x/yarn.js',
  '/usr/bin/corepack',
  'bunx',
])('%s is one', (script) => expect(isPackageManager(script)).toBe(true));

test.each([undefined, '/app/server.js', '/app/npm/index.js', '/app/npm-like.js', '/app/yarn-shop.js', ''])('%s is none', (script) =>
  expect(isPackageManager(script)).toBe(false),
);
