import { defineConfig } from 'vitest/config';

/** Run by `npm run interop`: tests that need other programs (browsers, proxies, Kubernetes, Java). Not part of `npm test`. */
export default defineConfig({
  test: {
    name: 'interop',
    include: ['test/interop/**/*.test.ts'],
    globalSetup: ['test/servers/global-setup.ts'],
    // Some send requests through a hundred changes.
    testTimeout: 600_000,
    hookTimeout: 600_000,
    fileParallelism: false,
  },
});
