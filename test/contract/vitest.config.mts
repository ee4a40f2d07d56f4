import { resolve } from 'node:path';
import { defineConfig } from 'vitest/config';

/** The root config's project `contract`, to run this folder alone. */
export default defineConfig({
  root: resolve(import.meta.dirname, '../..'),
  test: {
    name: 'contract',
    include: ['test/contract/**/*.test.ts'],
    globalSetup: ['test/servers/global-setup.ts'],
    setupFiles: ['test/contract/home.ts'],
    // The tests mostly wait: for pushes, for missing heartbeats, for servers to start.
    maxConcurrency: 12,
  },
});
