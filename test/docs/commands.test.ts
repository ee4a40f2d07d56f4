/** Commands with their options, npm scripts and variables in the documents exist. */
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { AGENT_VARIABLES } from '@lane/core/agent';
import { documents, pieces, ROOT, textOf } from '../../docs/site/documents.cjs';

const { scripts } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as { scripts: Record<string, string> };
/** Generated from the help of the commands; a test keeps it up to date. */
const page = textOf('docs/reference/cli.md');
const sections = new Map(page.split(/^## /m).map((section) => [section.slice(0, section.indexOf('\n')), section] as const));
const paths = [...sections.keys()].filter((title) => title.startsWith('lane '));
const flagsOf = (text: string): string[] => [...text.matchAll(/(?<![\w-])--?[a-z][\w-]*/g)].map(([flag]) => flag);

// These are about plans and the past.
const CHECKED = documents().filter((path) => path !== 'CHANGELOG.md' && path !== 'docs/reference/cli.md');

interface Shown {
  readonly line: string;
  readonly isInline: boolean;
}

/** Lines of code blocks, and inline code. */
function* shownIn(path: string): Generator<Shown> {
  for (const { kind, text } of pieces(textOf(path))) {
    if (kind === 'inline') yield { line: text.replaceAll('`', '').replaceAll('\n', ' ').trim(), isInline: true };
    if (kind === 'block')
      for (const line of text.replaceAll('\\\n', ' ').split('\n')) yield { line: line.trim().replace(/^\$ /, ''), isInline: false };
  }
}

/** The words of a `lane` command in a line; undefined if the line is not one. */
function laneCommand({ line, isInline }: Shown): string[] | undefined {
  // Skip variables and npx before it, and shell syntax after it.
  const match = /^(?:[A-Z_]+=(?:'[^']*'|\S*) )*(?:npx )?lane ((?!warn|error|info)[a-z].*)$/.exec(line);
  if (match === null) return undefined;
  const words = (match[1] as string).split(/ (?:[|&>#]|-- ).*| [|&>]$/)[0]?.split(/\s+/) ?? [];
  // In a sentence "lane" is a word.
  return isInline && words.length > 1 && paths.every((path) => path.split(' ')[1] !== words[0]) ? undefined : words;
}

/** The problem of a command; undefined if there is none. */
function problemOf(words: readonly string[]): string | undefined {
  if (words[0]?.startsWith('-') === true || words[0] === 'help') return undefined;
  const path = paths.filter((one) => `lane ${words.join(' ')} `.startsWith(`${one} `)).sort((a, b) => b.length - a.length)[0];
  if (path === undefined) return `there is no command lane ${words[0]}`;
  const section = sections.get(path) as string;
  const known = new Set(['--help', '-h', ...flagsOf(section)]);
  const unknown = words.filter((word) => word.startsWith('--') && word !== '--').map((word) => word.split('=')[0] as string);
  const missing = unknown.filter((flag) => !known.has(flag.replace(/[^\w-]+$/, '')));
  return missing.length === 0 ? undefined : `${path} has no ${missing.join(', ')}`;
}

test('help that a document quotes is what the command prints', () => {
  const quoted = documents().flatMap((path) =>
    [...pieces(textOf(path))].flatMap(({ kind, text }) => {
      const [, words, help] = (kind === 'block' && /^\s*\$ lane ([a-z ]+ --help)\n([\s\S]+)$/.exec(text)) || [];
      return words === undefined || help === undefined ? [] : [{ path, words, help: plain(help) }];
    }),
  );
  expect(quoted.map(({ path }) => path)).toContain('packages/kubernetes/README.md');
  for (const { path, words, help } of quoted) {
    const printed = execFileSync(process.execPath, [join(ROOT, 'packages/cli/dist/main.js'), ...words.split(' ')], { encoding: 'utf8' });
    expect([path, plain(printed)]).toEqual([path, expect.stringContaining(help)]);
  }
});

/** Without indentation and empty lines at either end. */
const plain = (text: string): string => text.replaceAll(/^[ \t]+|[ \t]+$/gm, '').trim();

test.each(CHECKED)('commands in %s', (path) => {
  const problems = [...shownIn(path)].flatMap((shown) => {
    const words = laneCommand(shown);
    const problem = words === undefined ? undefined : problemOf(words);
    return problem === undefined ? [] : [`${shown.line}: ${problem}`];
  });
  expect(problems).toEqual([]);
});

test('finds many commands, and detects a wrong one', () => {
  const all = CHECKED.flatMap((path) => [...shownIn(path)].flatMap((shown) => laneCommand(shown) ?? []));
  expect(all.length).toBeGreaterThan(150);
  const wrong = (line: string): string | undefined => problemOf(laneCommand({ line, isInline: false }) ?? []);
  expect(wrong('lane stauts')).toMatch('no command');
  expect(wrong('npx lane status --wacth')).toMatch('--wacth');
  expect(wrong("LANE_TRUST='a b' lane group apply x --dry-run > y")).toBeUndefined();
});

test.each(CHECKED)('npm scripts in %s', (path) => {
  const named = [...shownIn(path)].flatMap(({ line }) => [...line.matchAll(/\bnpm run (?:--silent )?([\w:-]+)/g)].map(([, name]) => name as string));
  // Scripts of an example's own package.
  const others = path.startsWith('examples/') ? ['build', 'start', 'dev'] : [];
  expect(named.filter((name) => scripts[name] === undefined && !others.includes(name))).toEqual([]);
});

/** Variables other than the agent's. */
const OTHER_VARIABLES = new Set([
  ...[...page.matchAll(/variable `(LANE_\w+)`/g)].map(([, name]) => name as string),
  // Passed to the commands of `lane gateway export --reload`; and where the injector keeps the app's own value.
  'LANE_FILE',
  'LANE_APP_NODE_OPTIONS',
  // Misspelt on purpose.
  'LANE_SERVIC',
]);

test.each(CHECKED)('variables in %s', (path) => {
  const named = [...shownIn(path)].flatMap(({ line }) => [...line.matchAll(/\bLANE_[A-Z_]+\b/g)].map(([name]) => name));
  expect([...new Set(named)].filter((name) => !AGENT_VARIABLES.includes(name) && !OTHER_VARIABLES.has(name))).toEqual([]);
});
