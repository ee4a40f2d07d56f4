import { AREAS, labelOf, NODES, type Area, type Cell, type NodeMajor, type Row } from './table.js';

/** A row as reported by the tests. */
export interface ReportedRow {
  readonly area: Area;
  readonly row: Row & { readonly version?: string };
  readonly order: number;
}

/** A cell, and whether its test passed. */
export interface Outcome extends Cell {
  readonly ok: boolean;
}

/** The matrix as Markdown: a table per area, followed by the reasons for cells that do not apply, and the limits. */
export function markdown(rows: readonly ReportedRow[], outcomes: readonly Outcome[]): string {
  return AREAS.flatMap((area) => {
    const own = rows.filter((row) => row.area === area).sort((a, b) => a.order - b.order);
    return own.length === 0 ? [] : [areaTable(area, own, outcomes)];
  }).join('\n');
}

function areaTable(area: Area, rows: readonly ReportedRow[], outcomes: readonly Outcome[]): string {
  const notes: string[] = [];
  const note = (text: string): string => {
    if (!notes.includes(text)) notes.push(text);
    return `<sup>${notes.indexOf(text) + 1}</sup>`;
  };
  const lines = rows.map(({ row }) => {
    const name = `${labelOf(row.name, row.version)}${row.limits === undefined ? '' : note(row.limits)}`;
    const cells = NODES.map((node) => cellOf(area, row, node, outcomes, note));
    return `| ${[name, ...cells, row.help === undefined ? '' : `\`${row.help}\``].join(' | ')} |`;
  });
  return [
    `### ${area}`,
    '',
    `| | ${NODES.map((node) => `Node ${node}`).join(' | ')} | by |`,
    `| --- | ${NODES.map(() => '---').join(' | ')} | --- |`,
    ...lines,
    '',
    ...notes.map((text, i) => `<sup>${i + 1}</sup> ${text}  `),
    ...(notes.length === 0 ? [] : ['']),
  ].join('\n');
}

function cellOf(area: Area, row: Row, node: NodeMajor, outcomes: readonly Outcome[], note: (text: string) => string): string {
  const why = row.not?.[node];
  if (why !== undefined) return `n/a${note(why)}`;
  const tried = outcomes.filter((outcome) => outcome.area === area && outcome.row === row.name && outcome.node === node);
  if (tried.length === 0) return 'not tried';
  return tried.every(({ ok }) => ok) ? 'ok' : '**failing**';
}
