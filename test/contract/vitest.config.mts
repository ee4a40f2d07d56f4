import { resolve } from 'node:path';
import { defineConfig } from 'vitest/config';

/** What the root config's project `contract` has, for running this folder alone. */
export default defineConfig({
  root: resolve(import.meta.dirname, '../..'),
  test: {
    name: 'contract',
    include: ['test/contract/**/*.test.ts'],
    globalSetup: ['test/servers/global-setup.ts'],
    setupFiles: ['test/contract/home.ts'],
    // The tests mostly wait: for pushes, for beats that stay away, for servers that start.
    maxConcurrency: 12,
  },
});
