/** The tests that SECURITY.md names exist, and it names those in test/security. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';

const root = join(__dirname, '../..');
const text = readFileSync(join(root, 'SECURITY.md'), 'utf8');
const rows = text.split('\n').flatMap((line) => {
  const match = /^\| (\d) \| (.+?) \|.*\| \[[^\]]+\]\(([^)]+)\): "(.+)" \|$/.exec(line);
  return match === null ? [] : [{ number: match[1] as string, attack: match[2] as string, file: match[3] as string, title: match[4] as string }];
});
/** Lines that name a test or a group of tests. */
const titles = (file: string): string[] =>
  readFileSync(join(root, file), 'utf8')
    .split('\n')
    .filter((line) => /\b(?:test|describe|scenario)\b.*\(['"`]|^\s*(?:\]|\}|\)| as const)+\(\s*['"`]/.test(line));

test('every row of the table names a test', () => {
  const table = text.slice(text.indexOf('## What has been tried'), text.indexOf('## What comes with it'));
  expect(rows.length).toBeGreaterThan(25);
  expect(table.split('\n').filter((line) => /^\| \d/.test(line))).toHaveLength(rows.length);
});

test.each(rows)('$attack: $file has "$title"', ({ file, title }) => {
  expect(existsSync(join(root, file))).toBe(true);
  expect(titles(file).some((line) => line.includes(title))).toBe(true);
});

test('names every file in test/security', () => {
  const files = readdirSync(join(root, 'test/security'), { recursive: true, encoding: 'utf8' }).filter((file) => file.endsWith('.test.ts'));
  expect(files.map((file) => `test/security/${file}`).filter((file) => !rows.some((row) => row.file === file))).toEqual([]);
});

test('the table uses the numbers of the picture', () => {
  const picture = readFileSync(join(root, 'docs/threat-model.svg'), 'utf8');
  const drawn = [...picture.matchAll(/class="number"[^>]*>(\d)</g)].map(([, number]) => number);
  expect(new Set(drawn)).toEqual(new Set(rows.map(({ number }) => number)));
});

const links = ['SECURITY.md', 'docs/production-checklist.md'].flatMap((file) =>
  [...readFileSync(join(root, file), 'utf8').matchAll(/\]\(([^)#:]+)(?:#[^)]*)?\)/g)].map(([, link]) => [file, link as string] as const),
);

test.each(links)('the link of %s to %s has a target', (file, link) => {
  expect(existsSync(join(root, file, '..', link))).toBe(true);
});
