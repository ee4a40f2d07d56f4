/** Prints the matrix as Markdown; writes it to docs/compatibility.md with MATRIX_WRITE, and otherwise reports whether that differs. */
import { readFileSync, writeFileSync } from 'node:fs';
import type { Reporter, TestCase, TestModule } from 'vitest/node';
import { AREAS } from './table.js';
import { BEGIN, END, PAGE } from './page.js';
import { markdown, type Outcome, type ReportedRow } from './markdown.js';

export default class MatrixReporter implements Reporter {
  onTestRunEnd(modules: ReadonlyArray<TestModule>): void {
    const rows = new Map<string, ReportedRow>();
    const outcomes: Outcome[] = [];
    let all = true;
    for (const module of modules) {
      for (const test of module.children.allTests()) {
        const { matrixRow, matrixCell } = test.meta();
        if (matrixRow !== undefined) rows.set(`${matrixRow.area} ${matrixRow.row.name}`, { ...matrixRow, order: matrixRow.order });
        if (matrixCell !== undefined) outcomes.push({ ...matrixCell, ...outcomeOf(test) });
        if (test.result().state === 'skipped') all = false;
      }
    }
    all &&= AREAS.every((area) => [...rows.values()].some((row) => row.area === area));
    if (rows.size === 0) return;
    const table = markdown([...rows.values()], outcomes);
    process.stdout.write(`\n${table}\n`);
    const page = readFileSync(PAGE, 'utf8');
    const from = page.indexOf(BEGIN);
    const to = page.indexOf(END);
    if (from === -1 || to === -1) return;
    const shown = `${page.slice(0, from + BEGIN.length)}\n\n${table}\n${page.slice(to)}`;
    if (process.env['MATRIX_WRITE'] !== undefined) {
      if (!all) throw new Error('part of the matrix was skipped, so docs/compatibility.md was not written');
      writeFileSync(PAGE, shown);
    } else if (all && shown !== page) {
      process.stderr.write('docs/compatibility.md differs from this run: `npm run matrix -- --write` updates it\n');
      process.exitCode = 1;
    }
  }
}

function outcomeOf(test: TestCase): { readonly ok: boolean } {
  return { ok: test.result().state === 'passed' };
}
