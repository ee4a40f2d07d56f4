import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';

/** A Node that the tests run apps on. */
export interface NodeVersion {
  readonly name: string;
  readonly path: string;
  readonly major: number;
}

const WANTED = [20, 22, 24, 26];

/** Those that this run is about: `npm test` takes one, `npm test -- --all` takes them all. */
const OWN = Number(process.versions.node.split('.')[0]);
const isQuick = process.env['TEST_SCOPE'] === 'quick' && WANTED.includes(OWN);

/** The Node that runs the tests, and unless the run is a quick one the others that are installed (test/nodes, on Linux x64). */
export function nodeVersions(): NodeVersion[] {
  return WANTED.flatMap((major) => {
    if (isQuick && major !== OWN) return [];
    const path = major === OWN ? process.execPath : join(__dirname, `../nodes/node_modules/node-${major}/bin/node`);
    return existsSync(path) ? [{ name: `Node ${major}`, path, major }] : [];
  });
}

/** Adds a test that says which versions are left out; in continuous integration on Linux that is a failure. */
export function tellLeftOutVersions(): void {
  const left = isQuick ? [] : WANTED.filter((major) => !nodeVersions().some((one) => one.major === major));
  if (left.length === 0) {
    test('the versions are what they say', () => {
      for (const { path, major } of nodeVersions())
        expect(execFileSync(path, ['--version'], { env: {} }).toString()).toMatch(new RegExp(`^v${major}\\.`));
    });
    return;
  }
  // Node 20 can be had only as the Node that runs the tests.
  test.skipIf(!process.env['CI'] || left.every((major) => major === 20))(`left out: Node ${left.join(', ')}, which is not installed here`, () => {
    expect.unreachable(`Node ${left.join(', ')} has to be there where CI is set: pnpm install brings it on Linux x64`);
  });
}
