/** The page of events lists exactly the lines that the sources can log, with their levels. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { ROOT, textOf } from '../../docs/site/documents.cjs';

/** The packages' sources by path, without tests. */
function* sources(): Generator<readonly [path: string, text: string]> {
  const packages = join(ROOT, 'packages');
  for (const name of readdirSync(packages)) {
    if (name === 'testing') continue;
    for (const file of readdirSync(join(packages, name, 'src'), { recursive: true, encoding: 'utf8' }))
      if (file.endsWith('.ts') && !file.endsWith('.test.ts'))
        yield [`${name}/${file.replaceAll('\\', '/')}`, readFileSync(join(packages, name, 'src', file), 'utf8')];
  }
}

/** The position after a string or template that begins at `at`. */
function behindText(code: string, at: number): number {
  const quote = code[at];
  for (let i = at + 1; i < code.length; i++) {
    if (code[i] === '\\') i++;
    else if (code[i] === quote) return i + 1;
    else if (quote === '`' && code.startsWith('${', i)) i = behindExpression(code, i + 2) - 1;
  }
  return code.length;
}

/** The position after the expression that `${` begins. */
function behindExpression(code: string, from: number): number {
  let depth = 1;
  let i = from;
  while (depth > 0 && i < code.length) {
    const char = code[i] as string;
    if ('`\'"'.includes(char)) i = behindText(code, i);
    else {
      if (char === '{') depth++;
      if (char === '}') depth--;
      i++;
    }
  }
  return i;
}

/** The arguments of a call; `from` is the position after its parenthesis. */
function argumentsOf(code: string, from: number): string[] {
  const found: string[] = [];
  let depth = 0;
  let start = from;
  let i = from;
  while (i < code.length) {
    const char = code[i] as string;
    if ('`\'"'.includes(char)) {
      i = behindText(code, i);
      continue;
    }
    if ('([{'.includes(char)) depth++;
    if (')]}'.includes(char) && depth-- === 0) break;
    if (char === ',' && depth === 0) {
      found.push(code.slice(start, i).trim());
      start = i + 1;
    }
    i++;
  }
  return [...found, code.slice(start, i).trim()].filter((argument) => argument !== '');
}

/** The text of an expression, with … for parts known only at run time. */
function textMadeBy(expression: string): string {
  let text = '';
  let i = 0;
  while (i < expression.length) {
    const char = expression[i] as string;
    if (char === "'" || char === '"' || char === '`') {
      const end = behindText(expression, i);
      text += contentOf(expression.slice(i + 1, end - 1));
      i = end;
    } else if (char === '+' || /\s/.test(char)) i++;
    else {
      // Any other operand: skip to the next + at this depth.
      const [operand = ''] = argumentsOf(expression.slice(i).replace(/ \+ /g, ', '), 0);
      i += Math.max(1, operand.length);
      text += '…';
    }
  }
  return text.replace(/…+/g, '…');
}

function contentOf(literal: string): string {
  let text = '';
  let i = 0;
  while (i < literal.length) {
    if (literal[i] === '\\') {
      text += literal[i + 1];
      i += 2;
    } else if (literal.startsWith('${', i)) {
      text += '…';
      i = behindExpression(literal, i + 2);
    } else text += literal[i++];
  }
  return text;
}

const all = [...sources()];
/** `LEVEL line` of each call that logs; and the files of calls whose whole line comes from elsewhere. */
const written = new Set<string>();
const fromElsewhere = new Set<string>();
for (const [path, code] of all) {
  for (const match of code.matchAll(/\b[lL]og\??\.(error|warn|info|debug|once)\(/g)) {
    const given = argumentsOf(code, match.index + match[0].length);
    const [level, message] = match[1] === 'once' ? [given[1]?.slice(1, -1), given[2]] : [match[1], given[0]];
    const line = textMadeBy(message ?? '');
    if (/^…+$/.test(line.replaceAll(' ', ''))) fromElsewhere.add(path);
    else written.add(`${level} ${line}`);
  }
}

const rows = [...textOf('docs/reference/events.md').matchAll(/^\| ([a-z–, ]+) \| (`+)(.+?)\2 \| (.+) \| (.+) \|$/gm)].map(
  ([, levels = '', , line = '', cause = '', remedy = '']) => ({ levels: levels.split(', '), line, cause, remedy }),
);

test('docs/reference/events.md lists each line of the sources, with its level', () => {
  expect(written.size).toBeGreaterThan(70);
  const told = new Set(rows.flatMap(({ levels, line }) => levels.map((level) => `${level} ${line}`)));
  expect([...written].filter((line) => !told.has(line))).toEqual([]);
});

test('it lists no other line, none twice, and each with cause and remedy', () => {
  // In the sources a template has other placeholders, and may continue on the next line.
  const texts = all.map(([, code]) => code.replace(/['"`]\s*\+\s*['"`]/g, '').replace(/\\(['"`])/g, '$1'));
  const missing = rows.flatMap(({ line }) =>
    line
      .split('…')
      .map((part) => part.trim().replace(/=$/, ''))
      .filter((part) => part.length > 3 && !texts.some((text) => text.includes(part)))
      .map((part) => `${line}: ${part}`),
  );
  expect(missing).toEqual([]);
  expect(rows.filter(({ cause, remedy }) => cause.trim() === '' || remedy.trim() === '')).toEqual([]);
  const lines = rows.map(({ line }) => line);
  expect(lines.filter((line, at) => lines.indexOf(line) !== at)).toEqual([]);
});

test('calls that log a line composed elsewhere are known: whoever adds one must check that the page lists its lines', () => {
  expect([...fromElsewhere].toSorted()).toEqual([
    'agent/boot/runtime.ts', // complaints of the codec; LANE_NEAR without a place
    'agent/boot/start.ts', // problems of options; options set too late
    'agent/discovery/kubernetes.ts', // problems of a Service
    'agent/observe/admin/start-admin.ts', // the port
    'express-plugin/lane.ts', // complaints of the codec
    'gateway/gateway.ts', // the same
    'gateway/live/live-source.ts', // problems of a route: an error of the commands
    'kubernetes/injector/server.ts', // the status of a pod
    'nacos-registry/complaints.ts', // errors of Nacos: docs/reference/errors.md
    'nacos-registry/sdk/lane-naming.ts', // two lines by warnOnce
  ]);
});
