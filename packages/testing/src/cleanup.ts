/** Cleanup after the test that created something. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished } from 'vitest';

/** Closes something when the test ends. */
export function closing<T extends { close(): unknown }>(value: T): T {
  onTestFinished(async () => {
    await value.close();
  });
  return value;
}

/** A temporary folder named after the test, so that the end of the run can name the test that left files behind. */
export function temporaryFolder(): string {
  const name = (expect.getState().currentTestName ?? '').replaceAll(/[^\w]+/g, '-').slice(0, 60);
  const folder = mkdtempSync(join(tmpdir(), `lane-test-${name}-`));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}
