import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseLaneGroups } from '@lane/core/rules';
import { InvalidLaneGroupsError } from '@lane/storage';
import { describe, expect, test } from 'vitest';
import { problemInChinese, PROBLEMS } from './zh-problems.js';

/** A document with every field and every kind of condition. */
const FULL = {
  $schema: 's',
  version: 1,
  groups: [
    {
      name: 'shop',
      services: ['a', 'b'],
      entry: { services: ['a'] },
      baseMode: 'untagged',
      lanes: [
        {
          name: 'gray',
          tag: 'gray',
          enabled: true,
          fallback: 'base',
          polaris: { key: 'version', values: ['v1'], name: 'canary' },
          rules: [
            { name: 'one', match: { all: [{ host: { exact: 'a' } }, { not: { path: { regex: '^/a' } } }, { any: [{ method: { in: ['GET'] } }] }] } },
            { name: 'two', match: { header: 'x-user', not: { prefix: 'a' } } },
            { name: 'three', match: { cookie: 'c', present: true }, percent: 5, by: { clientIp: true } },
            { name: 'four', match: { query: 'q', suffix: 'a' }, percent: 5, by: { cookie: 'uid' } },
            { name: 'five', match: { clientIp: { in: ['10.0.0.0/8'] } } },
          ],
        },
        { name: 'blue', tag: 'blue' },
      ],
    },
    { name: 'other', services: ['c'], lanes: [] },
  ],
};

const nested = (depth: number): unknown => (depth === 0 ? { path: { exact: '/' } } : { not: nested(depth - 1) });
const REGEXES = [
  '(',
  '[a',
  'a**',
  'a\\',
  '(?=a)',
  'a)',
  '(?P<n>a)(?P<n>b)',
  'a{1001}',
  '(?P<n',
  '*',
  '\\1',
  '[b-a]',
  '(\n',
  `${'('.repeat(499)}${')'.repeat(499)}a**`,
];
const VALUES: readonly unknown[] = [
  ...[
    undefined,
    null,
    true,
    false,
    -1,
    2,
    0.001,
    '',
    ' ',
    'a',
    'b',
    'gray',
    'canary',
    'one',
    'a b',
    'base',
    'a\nb',
    'x, not y',
    'x'.repeat(129),
    'x'.repeat(1001),
  ],
  ...[[], [1], ['a', 'a'], [''], ['a\u2028'], ['10.0.0.0/33'], Array(1001).fill('a'), () => 1],
  ...[
    {},
    { x: 1 },
    { nmae: 'a' },
    { header: 'a', cookie: 'b' },
    { exact: 'a', prefix: 'b' },
    { host: { exact: 'a' }, path: { exact: 'b' } },
    nested(17),
  ],
  ...[
    { name: 'gray', tag: 'gray', polaris: { name: 'canary' } },
    { name: 'x', tag: 'y', polaris: { key: 'version', values: ['v1'], name: 'canary' } },
  ],
  ...[{ name: 'slow', match: { path: { regex: '(a?){500}a{500}$' } } }, { name: 'r' }, { name: 'r', by: {} }],
  ...REGEXES,
];
const TEXTS = [
  '',
  '{',
  '[',
  '{"a"',
  '{"a":1',
  '{"a":1,',
  '{"a":1,}',
  '[1',
  '[1,',
  '[1,]',
  '[1 2]',
  '{a}',
  '{"a" 1}',
  '{"a":1 2}',
  '1 2',
  '"a',
  '"a\n"',
  '"\\x"',
  'nul',
  '\u00a0',
];

/** Every message for a document in which one value is another, or one field is missing. */
function messages(): Set<string> {
  const found = new Set<string>();
  const note = (source: unknown): void => {
    const parsed = parseLaneGroups(source);
    if (!parsed.ok) for (const { message } of parsed.problems) found.add(message);
  };
  const walk = (at: object): void => {
    for (const [key, value] of Object.entries(at)) {
      const fields = at as Record<string, unknown>;
      for (const other of VALUES) {
        fields[key] = other;
        note(FULL);
      }
      delete fields[key];
      note(FULL);
      if (!Array.isArray(at)) {
        fields[`${key}x`] = 1;
        note(FULL);
      }
      delete fields[`${key}x`];
      fields[key] = value;
      if (typeof value === 'object' && value !== null) walk(value);
    }
  };
  walk(FULL);
  for (const text of TEXTS) note(text);
  return found;
}

/** Without what is not English but a name: quoted text, paths, words of documents, and options. */
const NAMES = new Set(
  `JSON RE2 CIDR Polaris Perl Nacos LANE_NACOS_USERNAME LANE_NACOS_PASSWORD allowed-host true false null name tag lanes groups services entry version
  schema baseMode enabled fallback polaris rules match percent by key values header cookie query clientIp all any not host path method exact prefix suffix regex
  in present ms`.split(/\s+/),
);
const english = (chinese: string): string[] =>
  (chinese.replace(/`[^`]*`|"(?:[^"\\]|\\.)*"|\/[\w/]+|\$\w+|\\u00/gs, '').match(/[A-Za-z][\w-]+/g) ?? []).filter((word) => !NAMES.has(word));

describe('in Chinese', () => {
  const found = messages();

  test('no message of the parser is half English', () => {
    expect(found.size).toBeGreaterThan(100);
    for (const message of found) {
      const chinese = problemInChinese(message);
      expect(chinese, message).toMatch(/\p{Script=Han}/u);
      // What is found instead is a word of the text itself.
      expect(english(chinese.replace(/此处是 \S+?，/, '')), message).toEqual([]);
    }
  });

  test('a value that is told is Chinese, too', () => {
    expect(problemInChinese('must be a string, not a list')).toBe('必须是字符串，而不是列表');
    expect(problemInChinese('must be "base" or "none", not nothing')).toBe('必须是 "base" 或 "none"，而不是空值');
    expect(problemInChinese('must have at most 1000 items, not 1001')).toBe('最多 1000 项，而不是 1001 项');
    expect(problemInChinese('is not JSON: at line 1, column 1 it ends where a value is expected')).toBe(
      '不是 JSON：第 1 行第 1 列，文本在此结束，但此处应为值',
    );
  });

  test('every kind of message in the source of the parser occurs above', () => {
    const source = ['parse.ts', 'cost.ts'].map((file) => readFileSync(join(__dirname, '../../../../core/src/rules', file), 'utf8')).join('');
    // The texts that begin like a message.
    const kinds =
      source.match(/(?<=['`])(?:must|is|needs|lacks|the rules of) [^'`$]*|(?<=\})(?: is (?:already|listed|not a)| contains)[^'`$]*/g) ?? [];
    expect(kinds.length).toBeGreaterThan(30);
    for (const kind of kinds)
      expect(
        [...found].some((message) => message.includes(kind)),
        kind,
      ).toBe(true);
  });

  test('errors of the API are Chinese', () => {
    for (const message of [
      new InvalidLaneGroupsError([{ path: '/version', message: 'must be 1' }]).message,
      'lane group shop already exists: choose another name',
      'the lane shop/gray has changed since you read it: compare your change with the current state',
      'the lane groups have changed since they were read: changed by alice (version 7). Read them again, and apply the change to the new content',
      'there is no lane group shpo: did you mean shop?',
      'there is no lane shop/x: there are none yet',
      "alice is a viewer and can't change anything: ask an editor",
      "Nacos at 127.0.0.1:8848 can't be reached (ECONNREFUSED): is Nacos running there? Set LANE_NACOS_SERVER to its host:port",
    ])
      expect(problemInChinese(message)).toMatch(/\p{Script=Han}/u);
  });

  test('a message of Nacos stays as it is', () => {
    expect(problemInChinese('caused: no such thing;')).toBe('caused: no such thing;');
    expect(PROBLEMS.every(([pattern]) => pattern.source.startsWith('^'))).toBe(true);
  });
});
