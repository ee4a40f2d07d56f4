import { availableParallelism } from 'node:os';
import { relative } from 'node:path';
import { configDefaults, defineConfig } from 'vitest/config';
import { BaseSequencer, type TestSpecification } from 'vitest/node';

/**
 * Files that take minutes together: they restart processes under load, start one browser after another, or inject a fault into each hook. `npm test`
 * skips them unless you select them by name, by project or by what has changed; continuous integration runs all.
 */
const LONG = [
  'packages/cli/src/check-demo.test.ts',
  'test/agent/host-safety.test.ts',
  'test/agent/near-first.test.ts',
  'test/agent/outliers.test.ts',
  'test/contract/lane-groups-of-odd-servers.test.ts',
  'test/e2e/bad-day.test.ts',
  'test/e2e/console/**',
  'test/e2e/rolling-restart.test.ts',
];
/**
 * The slowest of the files that `npm test` runs, in starting order: if a slow file started last, the whole run would wait for it. The others follow,
 * sorted by their last duration, or by their size.
 */
const FIRST = [
  'test/agent/connecting.test.ts',
  'test/agent/doctor-trace.test.ts',
  'test/agent/lossless.test.ts',
  'test/agent/admin.test.ts',
  'packages/cli/src/commands/lane-groups.test.ts',
  'test/contract/contract.test.ts',
  'test/contract/own-server.test.ts',
  'packages/cli/src/main.test.ts',
  'test/agent/clients.test.ts',
  'test/agent/semantics.test.ts',
  'test/e2e/gateway-command.test.ts',
  'test/agent/background.test.ts',
];

class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const place = ({ project, moduleId }: TestSpecification): number => {
      const at = FIRST.indexOf(relative(project.config.root, moduleId).replaceAll('\\', '/'));
      return at === -1 ? FIRST.length : at;
    };
    return (await super.sort(files)).toSorted((a, b) => place(a) - place(b));
  }
}

const isQuick = process.env['TEST_LEAVE_OUT'] === 'long';
const exclude = [...configDefaults.exclude, ...(isQuick ? LONG : [])];

/**
 * Long, because they matter only to tests that fail: on a slow machine under load, the slowest tests take a minute, and a second, the default of
 * expect.poll(), is not enough to start a program.
 */
const patience = { testTimeout: 180_000, hookTimeout: 180_000, expect: { poll: { timeout: 30_000 } } };

/** One project per kind of test, to run one kind alone: `npm test -- --project unit`. */
export default defineConfig({
  test: {
    // More workers than cores, because most tests wait for programs that they have started. The long files load such programs, so they get fewer workers.
    maxWorkers: Math.max(2, availableParallelism()) + (isQuick ? 3 : 0),
    sequence: { sequencer: LongestFirst },
    projects: [
      { test: { name: 'unit', exclude, include: ['packages/*/{src,web/src}/**/*.test.ts'], ...patience } },
      { test: { name: 'docs', include: ['test/docs/**/*.test.ts'], ...patience } },
      { test: { name: 'agent', exclude, include: ['test/agent/**/*.test.ts'], ...patience } },
      { test: { name: 'security', include: ['test/security/**/*.test.ts'], ...patience } },
      { test: { name: 'packaging', include: ['test/packaging/**/*.test.ts'], ...patience, testTimeout: 300_000, hookTimeout: 300_000 } },
      {
        test: {
          name: 'contract',
          exclude,
          include: ['test/contract/**/*.test.ts'],
          globalSetup: ['test/servers/global-setup.ts'],
          setupFiles: ['test/contract/home.ts'],
          ...patience,
        },
      },
      { test: { name: 'chaos', include: ['test/chaos/**/*.test.ts'], ...patience, fileParallelism: false } },
      {
        test: {
          name: 'e2e',
          exclude,
          include: ['test/e2e/**/*.test.ts'],
          globalSetup: ['test/servers/global-setup.ts'],
          ...patience,
          // Without the long files, these start no more programs than other tests do.
          fileParallelism: isQuick,
        },
      },
    ],
  },
});
