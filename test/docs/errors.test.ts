/** The page of error codes lists exactly the codes in the sources. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { ROOT, textOf } from '../../docs/site/documents.cjs';

/** Codes in the packages' sources, without tests. */
function codesInSources(): string[] {
  const packages = join(ROOT, 'packages');
  const files = readdirSync(packages).flatMap((name) =>
    readdirSync(join(packages, name, 'src'), { recursive: true, encoding: 'utf8' }).map((file) => join(packages, name, 'src', file)),
  );
  const texts = files.filter((file) => file.endsWith('.ts') && !file.endsWith('.test.ts')).map((file) => readFileSync(file, 'utf8'));
  return texts.flatMap((text) => [...text.matchAll(/\bELANE_[A-Z0-9_]*[A-Z0-9]\b/g)].map(([code]) => code));
}

test('docs/reference/errors.md lists every code exactly once, and no other', () => {
  const rows = [...textOf('docs/reference/errors.md').matchAll(/^\| `(ELANE_\w+)` \|/gm)].map(([, code]) => code as string);
  expect(rows.toSorted()).toEqual([...new Set(codesInSources())].toSorted());
});
