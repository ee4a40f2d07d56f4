/** The table of the matrix: rows are libraries or ways of use, columns are versions of Node, cells are test results. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import { nodeVersions, type NodeVersion } from '../agent/nodes.js';
import { shownCells } from './page.js';

/** The chapters of the table, in order. */
export const AREAS = [
  'Clients',
  'Servers',
  'Loading',
  'Queues and pools',
  'Messages',
  'Message isolation',
  'Scheduled work',
  'Other agents',
  'Traps',
] as const;
export type Area = (typeof AREAS)[number];

/** The columns. */
export const NODES = [20, 22, 24, 26] as const;
export type NodeMajor = (typeof NODES)[number];

/** One library in one version, or one way of doing something. */
export interface Row {
  /** As printed; includes the major version if there are several. */
  readonly name: string;
  /** Its package among the dependencies, whose version is printed. */
  readonly dependency?: string;
  /** The instrumentation without which the row must fail, by its name in LANE_DISABLE; the test checks that. */
  readonly help?: string;
  /** Versions of Node on which it cannot be tested, with the reason. */
  readonly not?: Partial<Record<NodeMajor, string>>;
  /** What the row does not claim, and why. */
  readonly limits?: string;
  /** Builds what the row needs: that may take minutes on a busy machine, longer than a test's timeout. */
  readonly build?: () => Promise<unknown>;
}

const BUILD_TIMEOUT_MS = 600_000;
const INSTALLING = Number(process.versions.node.split('.')[0]);
/** For native addons, which are compiled on installation. */
export const OTHER_ABI: NonNullable<Row['not']> = Object.fromEntries(
  NODES.filter((major) => major !== INSTALLING).map((major) => [
    major,
    `its native addon is built for the Node that installs it, ${INSTALLING} here`,
  ]),
);

/** A finished cell, for the report. */
export interface Cell {
  readonly area: Area;
  readonly row: string;
  readonly node: NodeMajor;
}

declare module 'vitest' {
  interface TaskMeta {
    /** Set on the test of a cell. */
    matrixCell?: Cell;
    /** Set on the first test of a row: what to print besides its cells. */
    matrixRow?: { readonly area: Area; readonly row: Row & { readonly version?: string }; readonly order: number };
  }
}

let order = 0;

/** Adds a test for each cell. `check` tests a row on a Node, and throws if something is wrong. */
export function matrix<R extends Row>(area: Area, rows: readonly R[], check: (row: R, node: NodeVersion) => Promise<void>): void {
  for (const row of rows) {
    const version = row.dependency === undefined ? undefined : versionOf(row.dependency);
    const place = order++;
    describe(`${area}: ${row.name}`, () => {
      if (row.build !== undefined) beforeAll(row.build, BUILD_TIMEOUT_MS);
      test('is in the table', ({ task }) => {
        task.meta.matrixRow = { area, row: printed(row, version), order: place };
        expectOnPage(area, row, version);
      });
      for (const node of nodeVersions()) {
        const major = node.major as NodeMajor;
        if (row.not?.[major] !== undefined) continue;
        test(node.name, async ({ task }) => {
          task.meta.matrixCell = { area, row: row.name, node: major };
          await check(row, node);
        });
      }
    });
  }
}

/** docs/compatibility.md has the row in this version, and marks exactly the cells that cannot be tested. */
function expectOnPage(area: Area, row: Row, version: string | undefined): void {
  // This run writes it.
  if (process.env['MATRIX_WRITE'] !== undefined) return;
  const label = labelOf(row.name, version);
  const cells = shownCells(area, label);
  expect(cells, `docs/compatibility.md has no row "${label}" under ${area}: npm run matrix -- --write`).toBeDefined();
  expect(cells?.map((cell) => cell === 'n/a')).toEqual(NODES.map((node) => row.not?.[node] !== undefined));
}

/** The first cell of a row, without notes. */
export function labelOf(name: string, version: string | undefined): string {
  return version === undefined ? name : `${name} (${version})`;
}

/** Only the printed fields: metadata of a task must be cloneable, and rows contain functions. */
function printed({ name, help, not, limits }: Row, version: string | undefined): Row & { readonly version?: string } {
  return {
    name,
    ...(version === undefined ? {} : { version }),
    ...(help === undefined ? {} : { help }),
    ...(not === undefined ? {} : { not }),
    ...(limits === undefined ? {} : { limits }),
  };
}

/** The installed version of a dependency of the matrix. */
export function versionOf(dependency: string): string {
  const { version } = JSON.parse(readFileSync(join(__dirname, 'node_modules', dependency, 'package.json'), 'utf8')) as { version: string };
  return version;
}
