/** The matrix as docs/compatibility.md shows it. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

export const PAGE = join(__dirname, '../../docs/compatibility.md');
export const BEGIN = '<!-- matrix: printed by `npm run matrix` -->';
export const END = '<!-- end of matrix -->';

/** The lines of an area's table on the page, without its header. */
function rowsOf(area: string): string[] {
  const page = readFileSync(PAGE, 'utf8');
  const matrix = page.slice(page.indexOf(BEGIN), page.indexOf(END));
  const lines = matrix.split('\n');
  const from = lines.indexOf(`### ${area}`);
  const to = lines.findIndex((line, i) => i > from && line.startsWith('### '));
  return lines
    .slice(from, to === -1 ? undefined : to)
    .filter((line) => line.startsWith('| ') && !line.startsWith('| |') && !line.startsWith('| ---'));
}

/** The cells of a row on the page, without notes; undefined if it has no row with this name and version. */
export function shownCells(area: string, label: string): string[] | undefined {
  const line = rowsOf(area).find(
    (row) =>
      row
        .slice(2)
        .replace(/<sup>\d+<\/sup>/g, '')
        .split(' | ')[0] === label,
  );
  return line
    ?.replace(/<sup>\d+<\/sup>/g, '')
    .split(' | ')
    .slice(1, -1);
}
