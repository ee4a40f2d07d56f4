/** What commands print: JSON for programs, tables and colours for people. */
import { randomBytes } from 'node:crypto';
import { format, inspect } from 'node:util';
import { onOneLine, printable } from '@lane/core/model';

/** The colours and weights in use. */
export type Style = 'bold' | 'dim' | 'red' | 'green' | 'yellow' | 'cyan';

/** Marks our own style codes until they are printed, so that escape codes in names and values can't pass for ours. */
const MARK = `\0${randomBytes(8).toString('hex')}:`;
const MARKS = new RegExp(`${MARK}(\\d+)m`);
const ALL_MARKS = new RegExp(MARKS, 'g');

/** Styles a text if the terminal has colours. Respects NO_COLOR and FORCE_COLOR. */
export function styled(style: Style, text: string): string {
  if (!isColoured()) return text;
  const [on, off] = inspect.colors[style] as [number, number];
  return `${MARK}${on}m${text}${MARK}${off}m`;
}

/**
 * Makes `console` escape control characters in names and values, so that only {@link styled} texts have styles. All output of commands for people
 * passes here.
 */
export function guardConsole(console: Pick<Console, 'log' | 'error'>): void {
  for (const name of ['log', 'error'] as const) {
    const print = console[name].bind(console);
    console[name] = (...values: unknown[]) => print('%s', withStyles(format(...values)));
  }
}

function withStyles(text: string): string {
  return text
    .split(MARKS)
    .map((part, i) => (i % 2 === 0 ? printable(part) : `\x1b[${part}m`))
    .join('');
}

function cellOf(text: string): string {
  return text
    .split(MARKS)
    .map((part, i) => (i % 2 === 0 ? onOneLine(part) : `${MARK}${part}m`))
    .join('');
}

function isColoured(): boolean {
  const { NO_COLOR, FORCE_COLOR } = process.env;
  if (NO_COLOR !== undefined && NO_COLOR !== '') return false;
  if (FORCE_COLOR !== undefined && FORCE_COLOR !== '' && FORCE_COLOR !== '0') return true;
  return process.stdout.isTTY && process.stdout.hasColors();
}

/** Prints a value as JSON. */
export function printJson(value: unknown): void {
  console.log(JSON.stringify(value, null, 2));
}

/** Prints text for another program: unchanged to a file or a pipe, escaped as by {@link guardConsole} to a terminal. */
export function printForProgram(text: string, stdout: { readonly isTTY?: boolean; write(text: string): unknown } = process.stdout): void {
  stdout.write(stdout.isTTY === true ? printable(text) : text);
}

/** Aligns rows in columns; the first row is the head. */
export function table(raw: ReadonlyArray<readonly string[]>): string {
  const rows = raw.map((row) => row.map(cellOf));
  const widths: number[] = [];
  for (const row of rows) row.forEach((cell, i) => (widths[i] = Math.max(widths[i] ?? 0, widthOf(cell))));
  return rows
    .map((row, line) =>
      row
        .map((cell, i) => (line === 0 ? styled('bold', cell) : cell) + ' '.repeat((widths[i] as number) - widthOf(cell)))
        .join('  ')
        .trimEnd(),
    )
    .join('\n');
}

/** Characters that take two columns (the wide blocks of Unicode's East Asian Width). */
const WIDE =
  /[\u1100-\u115F\u2E80-\u303E\u3041-\uA4CF\uAC00-\uD7A3\uF900-\uFAFF\uFE30-\uFE6F\uFF00-\uFF60\uFFE0-\uFFE6\u{1F300}-\u{1FAFF}\u{20000}-\u{3FFFD}]/u;

function widthOf(text: string): number {
  let width = 0;
  for (const character of text.replace(ALL_MARKS, '')) width += WIDE.test(character) ? 2 : 1;
  return width;
}

/** `1 lane`, `2 lanes`. */
export function counted(count: number, what: string): string {
  return `${count} ${what}${count === 1 ? '' : 's'}`;
}
