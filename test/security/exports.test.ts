/**
 * Exports of lane groups that contain all of Unicode, read by the targets' own parsers: nginx -t, haproxy -c, Envoy's validation, Lua, and YAML.
 * Parsers that are not installed are skipped, which is reported.
 */
import { execFile } from 'node:child_process';
import { existsSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { parseLaneGroups, type LaneGroupsDocument, type Matcher } from '@lane/core/rules';
import { FORMAT_NAMES, type Instance } from '@lane/core/model';
import { EXPORT_TARGETS, exportRules } from '@lane/gateway';
import fc from 'fast-check';
import { afterAll, describe, expect, test } from 'vitest';
import { parseAllDocuments } from 'yaml';
import { dataFolder } from '../servers/process.js';

const run = promisify(execFile);
const folder = dataFolder('exports');
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** The same lane groups in each run: a test fails by what has changed. */
const SEED = 1;

/** What an attacker would write as a name. */
const HOSTILE = [
  '}',
  '{',
  '||',
  '"; } server { listen 81; location / { root /; } } #',
  "'",
  '\\',
  '\\"',
  '$http_cookie',
  '${remote_addr}',
  '%[env(HOME)]',
  '# comment',
  '---',
  '- a: b',
  '#{1+1}',
  ']]',
  '--',
  '-f',
  '!include',
  '&a *a',
  '"}}',
  '|',
  '*/',
];
const text = fc.oneof(
  fc.constantFrom(...HOSTILE),
  fc.string({ unit: 'binary', minLength: 1, maxLength: 12 }),
  fc.string({ unit: 'grapheme', minLength: 1, maxLength: 12 }),
);
const regex = fc.constantFrom(
  '^a$',
  '(?P<http_baggage>a)',
  '[(?<a>]',
  'a${x}',
  '\\}',
  '"',
  "'",
  '#',
  '^(?:a|b){3}',
  '\\d+',
  '(?i)x',
  '\\Q}"\\E',
  '\\x{41}',
  '[^"]',
);
const comparison = fc.oneof(
  ...(['exact', 'prefix', 'suffix'] as const).map((op) => text.map((value) => ({ [op]: value }))),
  fc.array(text, { minLength: 1, maxLength: 5 }).map((values) => ({ in: values })),
  regex.map((value) => ({ regex: value })),
  fc.constant({ present: true }),
  text.map((value) => ({ not: { exact: value } })),
);
const named = fc.oneof(text, fc.constantFrom('uid', 'x-user', "x'y", 'x#y', 'x$y', 'x%y', 'x.y'));
const matcher: fc.Arbitrary<Matcher> = fc.oneof(
  fc
    .tuple(fc.constantFrom('header', 'cookie', 'query'), named, comparison)
    .map(([kind, name, match]) => ({ [kind]: name, ...match }) as unknown as Matcher),
  fc.tuple(fc.constantFrom('host', 'path', 'method'), comparison).map(([kind, match]) => ({ [kind]: match }) as unknown as Matcher),
);
const rule = fc.record(
  {
    match: fc.oneof(
      matcher,
      fc.array(matcher, { minLength: 1, maxLength: 3 }).map((any) => ({ any })),
      matcher.map((not) => ({ not })),
    ),
    name: text,
    percent: fc.constantFrom(5, 50),
    by: fc.oneof(
      named.map((cookie) => ({ cookie })),
      named.map((header) => ({ header })),
    ),
  },
  { requiredKeys: ['name', 'match'] },
);
/** Lane groups that pass parsing. */
const groups: fc.Arbitrary<{ document: LaneGroupsDocument; service: string }> = fc
  .record({ group: text, lane: text, service: text, rules: fc.array(rule, { minLength: 1, maxLength: 4 }) })
  .map(({ group, lane, service, rules }) => ({
    service,
    document: {
      version: 1 as const,
      groups: [
        {
          name: group,
          services: [service],
          entry: { services: ['lane-gateway'] },
          lanes: [
            {
              name: lane,
              tag: 'gray',
              rules: rules.map(({ by, ...one }, i) => ({
                ...one,
                name: `${one.name}${i}`,
                ...(one.percent === undefined || by === undefined ? {} : { by }),
              })),
            },
          ],
        },
      ],
    },
  }))
  .filter(({ document }) => parseLaneGroups(document).ok);

const INSTANCES: readonly Instance[] = [undefined, 'gray'].map((tag, i) => ({
  ip: '127.0.0.1',
  port: 20_001 + i,
  weight: 1,
  healthy: true,
  enabled: true,
  metadata: tag === undefined ? {} : { lane: tag },
}));
const exported = (target: string, { document, service }: { document: LaneGroupsDocument; service: string }): string =>
  exportRules(target, {
    document,
    formats: FORMAT_NAMES,
    baggageKey: "l!#$%&'*+.^_`|~",
    routes: [
      { host: '*', service },
      { host: '*.a.test', path: '/"$x{}', service },
    ],
    instancesOf: () => INSTANCES,
    port: 8080,
  }).text;

async function asked(command: string, args: readonly string[], env: Record<string, string> = {}): Promise<string> {
  try {
    await run(command, [...args], { env: { ...process.env, ...env }, maxBuffer: 1e8 });
    return '';
  } catch (error) {
    const { stdout = '', stderr = '' } = error as { stdout?: string; stderr?: string };
    return stdout + stderr === '' ? String(error) : stdout + stderr;
  }
}

const PARSERS: Readonly<Record<string, { readonly program: string; readonly read: (text: string) => Promise<string> }>> = {
  nginx: {
    program: '/usr/sbin/nginx',
    async read(configuration) {
      mkdirSync(join(folder, 'logs'), { recursive: true });
      writeFileSync(join(folder, 'lane.conf'), configuration);
      writeFileSync(
        join(folder, 'nginx.conf'),
        `pid ${folder}/pid;\nerror_log stderr crit;\nevents {}\nhttp {\naccess_log off;\ninclude ${folder}/lane.conf;\n}\n`,
      );
      return asked('/usr/sbin/nginx', ['-t', '-q', '-p', folder, '-c', join(folder, 'nginx.conf')]);
    },
  },
  haproxy: {
    program: '/usr/sbin/haproxy',
    read(configuration) {
      writeFileSync(join(folder, 'haproxy.cfg'), configuration);
      return asked('/usr/sbin/haproxy', ['-c', '-q', '-f', join(folder, 'haproxy.cfg')]);
    },
  },
  envoy: {
    // Where test/interop installs it.
    program: join(__dirname, '../../.cache/python/envoy/bin/envoy'),
    read(configuration) {
      writeFileSync(join(folder, 'envoy.yaml'), configuration);
      return asked(join(__dirname, '../../.cache/python/envoy/bin/envoy'), [
        '--mode',
        'validate',
        '-c',
        join(folder, 'envoy.yaml'),
        '--log-level',
        'error',
      ]);
    },
  },
};

describe.each(Object.entries(PARSERS))('%s', (target, { program, read }) => {
  test.skipIf(!existsSync(program))(`accepts the export, whatever is in the lane groups`, async () => {
    await fc.assert(
      fc.asyncProperty(groups, async (given) => {
        const configuration = exported(target, given);
        expect(await read(configuration), configuration).toBe('');
      }),
      { numRuns: target === 'envoy' ? 15 : 60, endOnFailure: true, seed: SEED },
    );
  });
});

test.skipIf(!existsSync('/usr/sbin/nginx'))('nginx gets exactly the servers and locations of the routes', async () => {
  fc.assert(
    fc.property(groups, (given) => {
      // Outside quotes and comments everything is our own text.
      const bare = exported('nginx', given)
        .replaceAll(/^#.*$/gm, '')
        .replaceAll(/"(?:\\[\s\S]|[^"\\])*"/g, '""');
      expect(bare.match(/^server \{$/gm)).toHaveLength(2);
      expect(bare.replaceAll(/[\w\s.:;{}"$~*/^=%()-]/g, '')).toBe('');
    }),
    { numRuns: 300, seed: SEED },
  );
});

describe.each(EXPORT_TARGETS.filter(({ name }) => !['nginx', 'haproxy'].includes(name)))('$name', ({ name: target }) => {
  test('exports exactly the expected YAML documents', () => {
    fc.assert(
      fc.property(groups, (given) => {
        const documents = parseAllDocuments(exported(target, given));
        const kinds = documents.map((one) => {
          expect(one.errors).toEqual([]);
          const read = one.toJS({ maxAliasCount: -1 }) as { kind?: string };
          return read.kind ?? Object.keys(read).join();
        });
        const wanted: Readonly<Record<string, string[]>> = {
          envoy: ['layered_runtime,static_resources'],
          'spring-cloud-gateway': ['server,spring'],
          apisix: ['routes,upstreams'],
          istio: ['VirtualService', 'VirtualService', 'EnvoyFilter'],
        };
        if (target === 'higress') expect(new Set(kinds)).toEqual(new Set(['Ingress']));
        else expect(kinds).toEqual(wanted[target]);
      }),
      { numRuns: 200, seed: SEED },
    );
  });
});

test.skipIf(!existsSync('/usr/bin/luac5.1'))('all Lua is valid', async () => {
  await fc.assert(
    fc.asyncProperty(groups, async (given) => {
      const texts: string[] = [];
      for (const target of ['apisix', 'envoy', 'istio'])
        for (const one of parseAllDocuments(exported(target, given)))
          JSON.stringify(one.toJS({ maxAliasCount: -1 }), (key, value: unknown) => {
            if (key === 'inline_string' && typeof value === 'string' && value.includes('local')) texts.push(value);
            if (key === 'functions') texts.push(...(value as string[]));
            return value;
          });
      expect(texts.length).toBeGreaterThan(3);
      writeFileSync(join(folder, 'all.lua'), texts.map((code) => `do local _ = function() ${code} end end`).join('\n'));
      expect(await asked('/usr/bin/luac5.1', ['-p', join(folder, 'all.lua')])).toBe('');
    }),
    { numRuns: 25, seed: SEED },
  );
});
