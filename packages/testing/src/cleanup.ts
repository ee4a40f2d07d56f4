/** What goes away with the test that made it. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished } from 'vitest';

/** Closes something when the test is over. */
export function closing<T extends { close(): unknown }>(value: T): T {
  onTestFinished(async () => {
    await value.close();
  });
  return value;
}

/** A folder of the test's own, named after it: if something is left there, the end of the run says of which test. */
export function temporaryFolder(): string {
  const name = (expect.getState().currentTestName ?? '').replaceAll(/[^\w]+/g, '-').slice(0, 60);
  const folder = mkdtempSync(join(tmpdir(), `lane-test-${name}-`));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}
