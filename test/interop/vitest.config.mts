import { defineConfig } from 'vitest/config';

/** Run by `npm run interop`: tests that need other programs (browsers, proxies, Kubernetes, Java). Not part of `npm test`. */
export default defineConfig({
  test: {
    name: 'interop',
    include: ['test/interop/**/*.test.ts'],
    globalSetup: ['test/servers/global-setup.ts'],
    testTimeout: 180_000,
    hookTimeout: 600_000,
    fileParallelism: false,
  },
});
