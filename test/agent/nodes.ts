import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';

/** A Node version that the tests run apps on. */
export interface NodeVersion {
  readonly name: string;
  readonly path: string;
  readonly major: number;
}

const WANTED = [20, 22, 24, 26];

/** The versions of this run: `npm test` uses one, `npm test -- --all` all of them. */
const OWN = Number(process.versions.node.split('.')[0]);
const isQuick = process.env['TEST_SCOPE'] === 'quick' && WANTED.includes(OWN);

/** The Node that runs the tests and, except in a quick run, the other installed ones (test/nodes, on Linux x64). */
export function nodeVersions(): NodeVersion[] {
  return WANTED.flatMap((major) => {
    if (isQuick && major !== OWN) return [];
    const path = major === OWN ? process.execPath : join(__dirname, `../nodes/node_modules/node-${major}/bin/node`);
    return existsSync(path) ? [{ name: `Node ${major}`, path, major }] : [];
  });
}

/** Adds a test that names the skipped versions; in continuous integration on Linux that is a failure. */
export function tellLeftOutVersions(): void {
  const left = isQuick ? [] : WANTED.filter((major) => !nodeVersions().some((one) => one.major === major));
  if (left.length === 0) {
    test('the versions are what they say', () => {
      for (const { path, major } of nodeVersions())
        expect(execFileSync(path, ['--version'], { env: {} }).toString()).toMatch(new RegExp(`^v${major}\\.`));
    });
    return;
  }
  // Node 20 is available only as the Node that runs the tests.
  test.skipIf(!process.env['CI'] || left.every((major) => major === 20))(`skipped: Node ${left.join(', ')}, which is not installed here`, () => {
    expect.unreachable(`Node ${left.join(', ')} has to be there where CI is set: pnpm install brings it on Linux x64`);
  });
}
