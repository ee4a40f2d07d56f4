import { defineConfig } from 'vitest/config';

/** Run by `npm run matrix`, after its libraries are installed; not part of `npm test`. */
export default defineConfig({
  test: {
    name: 'matrix',
    include: ['test/matrix/**/*.test.ts'],
    globalSetup: ['test/matrix/services.ts'],
    setupFiles: ['test/matrix/agents-log.ts'],
    reporters: ['default', './test/matrix/reporter.mts'],
    // The tests mostly wait for brokers.
    maxWorkers: 2,
    // A cell starts its app up to five times.
    testTimeout: 300_000,
    // Hooks fetch brokers from Maven Central and start several of them at once, beside another file: the first run of a clone takes minutes for that.
    hookTimeout: 600_000,
  },
});
