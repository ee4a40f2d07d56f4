/** What comes from elsewhere can't become anything but text in an export; the targets' own parsers are asked in test/security/exports.test.ts. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Instance } from '@lane/core/model';
import type { LaneGroupsDocument } from '@lane/core/rules';
import { describe, expect, test } from 'vitest';
import { parse, parseAllDocuments } from 'yaml';
import { EXPORT_TARGETS, exportRules, exportTargetOf, type ExportSource, type ExportTarget } from './index.js';
import { luaText } from './lua.js';
import { portableRegex } from './regex.js';
import { toYaml } from './yaml.js';

const INSTANCE: Instance = { ip: '10.0.0.1', port: 20_001, weight: 1, healthy: true, enabled: true, metadata: {} };
const shop = (group: string, match: object): LaneGroupsDocument => ({
  version: 1,
  groups: [
    {
      name: group,
      services: ['a'],
      entry: { services: ['lane-gateway'] },
      lanes: [{ name: 'gray', tag: 'gray', rules: [{ name: 'rule', match: match as never }] }],
    },
  ],
});
const BY_HEADER = { header: 'x-user', exact: 'alice' };
const source = (more: Partial<ExportSource> = {}): ExportSource => ({
  document: shop('shop', BY_HEADER),
  formats: ['baggage'],
  routes: [{ host: '*', service: 'a' }],
  instancesOf: () => [INSTANCE],
  ...more,
});
const gapsOf = (target: string, more: Partial<ExportSource>): string[] =>
  exportRules(target, source(more)).remarks.flatMap(({ kind, message }) => (kind === 'gap' ? [message] : []));

describe.each(EXPORT_TARGETS)('$name', ({ name: target }) => {
  test('rejects lane groups that the parser would reject', () => {
    const document = shop('shop\n} server { listen 81; }', BY_HEADER);
    expect(() => exportRules(target, source({ document }))).toThrow(/the lane groups are not valid: \/groups\/0\/name/);
  });

  test.each([
    [{ routes: [{ host: 'a.test; } server {', service: 'a' }] }, /that is not a host name/],
    [{ routes: [{ host: 'a.test', path: '/a\n}', service: 'a' }] }, /a path must begin with \//],
  ] as const)('omits a route that can only be an attack: %j', (more, message) => {
    expect(gapsOf(target, more)).toContainEqual(expect.stringMatching(message));
  });

  test('omits an instance that registered something other than an address', () => {
    const evil = '10.0.0.2; } server { listen 81';
    const { text, remarks } = exportRules(target, source({ instancesOf: () => [INSTANCE, { ...INSTANCE, ip: evil }] }));
    expect(remarks).toContainEqual(expect.objectContaining({ kind: 'gap', message: expect.stringContaining('is not a valid address') }));
    expect(text.split('\n').filter((line) => line.includes('listen 81') && !line.startsWith('#'))).toEqual([]);
  });

  test('has all reports in comment lines', () => {
    const routes = [{ host: 'x\u2028\ny', service: 'a' }];
    const lines = exportRules(target, source({ routes })).text.split(/[\n\r\u0085\u2028\u2029]/);
    expect(lines.filter((line) => line.includes('is left out')).every((line) => line.startsWith('# '))).toBe(true);
  });

  test.each([
    [{ baggageKey: 'a b' }, /is not a key of the W3C baggage header/],
    [{ port: 0.5 }, /0\.5 is not a port/],
    [{ formats: ['magic' as never] }, /"magic" is not a format/],
  ])('refuses %j', (more, message) => {
    expect(() => exportRules(target, source(more))).toThrow(message);
  });
});

describe('colliding names', () => {
  const many = { routes: ['a.b', 'a-b', '*.a.b', 'a--gray', 'A-B.'].map((host) => ({ host, service: 'a' })), instancesOf: () => undefined };
  test.each(['istio', 'higress'])('%s: no two objects share a name', (target) => {
    const tags = ['Gray', 'gray', `${'g'.repeat(63)}1`, `${'g'.repeat(63)}2`];
    const document: LaneGroupsDocument = {
      version: 1,
      groups: [
        {
          name: 'g',
          services: ['a'],
          entry: { services: ['lane-gateway'] },
          lanes: tags.map((tag) => ({ name: tag, tag, rules: [{ name: 'rule'.repeat(30), match: { header: 'x-lane', exact: tag } }] })),
        },
      ],
    };
    const objects = parseAllDocuments(exportRules(target, source({ ...many, document })).text).map((one) => one.toJS() as KubernetesObject);
    const names = objects.map(({ kind, metadata }) => `${kind}/${metadata.name}`);
    expect(new Set(names).size).toBe(names.length);
    const routes = objects.flatMap(({ spec }) => spec.http ?? []).map(({ name }) => name);
    expect(new Set(routes).size).toBe(routes.length);
  });

  test('services whose names look like another’s upstream, or like an address, get separate upstreams', () => {
    const services = ['a', 'a--gray', 'A', 'a b', 'a_b', '127.0.0.1', '商店'];
    const { text } = exportRules('nginx', source({ routes: services.map((service, i) => ({ host: `h${i}.test`, service })) }));
    const names = [...text.matchAll(/^upstream (\S+) \{/gm)].map(([, name = '']) => name);
    expect(names).toHaveLength(services.length);
    expect(new Set(names.map((name) => name.toLowerCase())).size).toBe(names.length);
    for (const name of names) expect(name).toMatch(/^[A-Za-z][\w.-]*$/);
  });
});

interface KubernetesObject {
  readonly kind: string;
  readonly metadata: { readonly name: string };
  readonly spec: { readonly http?: ReadonlyArray<{ readonly name: string }> };
}

describe('HAProxy', () => {
  const linesOf = (match: object, group = 'shop', more: Partial<ExportSource> = {}): string =>
    exportRules('haproxy', source({ document: shop(group, match), ...more })).text;

  test('a brace as value does not end the condition', () => {
    const text = linesOf({ header: 'x-user', in: ['}', '||', '{', 'src', '0.0.0.0/0'] });
    expect(text).not.toMatch(/\{ .* -- .*\} .*\|\|/);
    expect(text).toContain(String.raw`-m reg -- "^\\}\$" }`);
  });

  test('a percent sign in a header’s value begins no variable', () => {
    expect(linesOf(BY_HEADER, '%[env(SECRET)]', { formats: ['polaris'] })).toContain('set-header service-lane "%%25[env(SECRET)]/gray"');
  });

  test('a line never exceeds the word limit, however many values are compared', () => {
    const text = linesOf({ header: 'x-user', in: Array.from({ length: 1000 }, (_, i) => `u${i}`) });
    for (const line of text.split('\n')) expect(line.trim().split(' ').length).toBeLessThan(64);
  });
});

describe('nginx', () => {
  test('a dollar in a header’s value begins no variable', () => {
    const { text } = exportRules('nginx', source({ document: shop('$http_cookie', BY_HEADER), formats: ['polaris'] }));
    expect(text).toContain('"${lane_dollar}http_cookie/gray"');
    expect(text).toContain('geo $lane_dollar {\n    default "$";\n}');
  });

  test('groups with names set no variables', () => {
    const { text } = exportRules(
      'nginx',
      source({ document: shop('shop', { header: 'x-user', regex: '(?P<http_baggage>a)(?<remote_user>b)[(?<c>]' }) }),
    );
    expect(text).toContain('"~(a)(b)[(?<c>]" 1');
  });
});

describe('Spring Cloud Gateway', () => {
  test.each([
    { cookie: '#{T(java.lang.Runtime).getRuntime().exec("id")}', exact: 'a' },
    { query: 'a${SECRET}', exact: 'a' },
    { method: { exact: '#{1+1}' } },
    { path: { exact: '#{1+1}' } },
    { path: { exact: '/{a}' } },
  ])('runs no code and resolves no placeholder: %j', (match) => {
    const { text, remarks } = exportRules('spring-cloud-gateway', source({ document: shop('shop', match) }));
    expect(remarks.some(({ kind, rule }) => kind === 'gap' && rule === 'shop/gray/rule')).toBe(true);
    expect(text.split('\n').filter((line) => !line.startsWith('#') && /[$#]\{/.test(line))).toEqual([]);
  });

  test('a regular expression stays unchanged', () => {
    const { text } = exportRules(
      'spring-cloud-gateway',
      source({ document: shop('${x}', { header: 'x-user', regex: 'a${x}' }), formats: ['baggage', 'polaris'] }),
    );
    const body = text.split('\n').filter((line) => !line.startsWith('#'));
    expect(body.filter((line) => /[$#]\{/.test(line))).toEqual([]);
    expect(body.join('\n')).toContain('.*(?:a$(?:){x}).*');
  });
});

test('a third-party target is written like one of ours; an incomplete one is rejected with what is missing', () => {
  const acme: ExportTarget = {
    name: 'acme',
    title: 'Acme 1',
    output: 'acme.json',
    file: 'acme.json',
    needsAddresses: true,
    comment: '//',
    write(plan) {
      plan.gap('nothing can be said');
      return JSON.stringify(plan.upstreams.map(({ name, instances }) => [name, instances.length]));
    },
  };
  const { text, remarks } = exportRules(exportTargetOf({ exportTarget: acme }, '@acme/lane-target'), source());
  expect(text).toBe(
    '// Lane: entry rules and routes for Acme 1, written by `lane gateway export acme`: acme.json.\n// NOT EXPRESSED: nothing can be said\n[["a",1]]',
  );
  expect(remarks).toHaveLength(1);
  expect(exportTargetOf({ default: { exportTarget: acme } }, 'x')).toBe(acme);
  expect(() => exportTargetOf({ default: () => {} }, '@acme/x')).toThrow('@acme/x exports no export target');
  expect(() => exportTargetOf({ exportTarget: { name: 'acme', title: '' } }, '@acme/x')).toThrow(
    'lacks title (a text), output (a text), file (a text), needsAddresses (true or false), write (a function from a plan to a text)',
  );
});

test('each target writes once', () => {
  let written = 0;
  const counting: ExportTarget = { ...(EXPORT_TARGETS[0] as ExportTarget), write: () => String(++written) };
  expect(exportRules(counting, source()).text).toMatch(/\n1$/);
});

test.each([
  ['a"b\\c', '"a\\"b\\\\c"'],
  ['\u2028é\n', '"\\226\\128\\168\\195\\169\\010"'],
])('Lua: %j', (text, written) => expect(luaText(text)).toBe(written));

test.each([
  ['^(?P<a>b)$', '^(b)$', undefined],
  ['\\(?<a>', '\\(?<a>', undefined],
  ['\\Q(?<a>.\\E+', '\\(\\?<a>\\.+', undefined],
  ['\\x{100}', '\\x{100}', 'a code point above FF'],
  ['\\p{Greek}', '\\p{Greek}', 'a script of Unicode'],
  ['[[:alpha:]]', '[[:alpha:]]', 'a bracket in a class'],
  ['[a&&b]', '[a&&b]', '&& in a class'],
  ['(?U)a+', '(?U)a+', 'the flag U'],
  ['é', 'é', 'a character that is not in ASCII'],
])('the regular expression %s is %s for others, except %s', (source_, text, onlyRe2) => {
  expect(portableRegex(source_)).toEqual({ text, onlyRe2 });
});

test('YAML keeps any text', () => {
  const service = '- {a: [b]}: "c" #d\t';
  const { text } = exportRules('envoy', source({ routes: [{ host: '*', service }], instancesOf: () => undefined }));
  expect(JSON.stringify(parse(text, { maxAliasCount: -1 }))).toContain(JSON.stringify(`no instance of ${service} for this lane\n`).slice(1, -1));
});

test.each(['1.1', '1.2'] as const)('a text stays the same in YAML %s', (version) => {
  for (const text of [
    'n',
    'Y',
    'no',
    'yes',
    'on',
    'Off',
    'null',
    '~',
    '12:30',
    '1_000',
    '0b11',
    '0o7',
    '017',
    '0x1F',
    '1e3',
    '2001-01-01',
    '=',
    '<<',
  ]) {
    expect(parse(toYaml({ value: text, [text]: 1 }), { version })).toEqual({ value: text, [text]: 1 });
    // As a value of a rule.
    const document = shop('shop', { header: 'x-a', exact: text });
    const { text: exported } = exportRules('envoy', source({ document }));
    expect(JSON.stringify(parse(exported, { version }))).toContain(JSON.stringify({ exact: text }));
  }
});

test('README lists every target, with its output', () => {
  const readme = readFileSync(join(__dirname, '../../README.md'), 'utf8');
  const rows = [...readme.matchAll(/^\| `([\w-]+)` \| ([^|]+) \|/gm)].map(([, name, output]) => [name, output]);
  expect(rows).toEqual(EXPORT_TARGETS.map(({ name, output }) => [name, output]));
});
