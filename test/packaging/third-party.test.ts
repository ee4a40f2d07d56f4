/** What `scripts/third-party.mjs`, part of `npm run check:packages`, accepts and what it rejects. */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { temporaryFolder } from '@lane/testing/cleanup';
import { expect, test } from 'vitest';

interface Survey {
  readonly packages: ReadonlyArray<{
    readonly name: string;
    readonly thirdParty: ReadonlyArray<{ readonly name: string; readonly why: string; readonly isBundled: boolean }>;
  }>;
  readonly problems: readonly string[];
}
interface Script {
  survey(root: string, options?: object): Survey;
  addBundled(sboms: string, packages: Survey['packages']): void;
  missingIn(sboms: string, packages: Survey['packages']): string[];
}
const load = (): Promise<Script> => import('../../scripts/third-party.mjs' as string) as Promise<Script>;

const TABLE = { limits: { '@lane/ours': 2 }, reasons: { asked: 'for a reason' }, licences: ['MIT'], builtIn: [], bundled: {} };

/** A workspace with a package that depends on another, which depends on a third. */
function workspace(more: { ours?: object; asked?: object; further?: object; files?: Record<string, string> } = {}): string {
  const root = temporaryFolder();
  const write = (path: string, content: string): void => {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    writeFileSync(join(root, path), content);
  };
  const manifest = (path: string, content: object): void =>
    write(`${path}/package.json`, JSON.stringify({ version: '1.0.0', license: 'MIT', ...content }));
  manifest('packages/ours', { name: '@lane/ours', dependencies: { asked: '1' }, ...more.ours });
  manifest('node_modules/asked', { name: 'asked', dependencies: { further: '1' }, ...more.asked });
  manifest('node_modules/further', { name: 'further', ...more.further });
  for (const [path, content] of Object.entries(more.files ?? {})) write(path, content);
  return root;
}

test('lists direct dependencies with their reason, and indirect ones with what brings them', async () => {
  const { survey } = await load();
  expect(survey(workspace(), TABLE)).toEqual({
    packages: [
      {
        name: '@lane/ours',
        limit: 2,
        thirdParty: [
          { name: 'asked', version: '1.0.0', licence: 'MIT', why: 'for a reason', isBundled: false },
          { name: 'further', version: '1.0.0', licence: 'MIT', why: 'by asked', isBundled: false },
        ],
      },
    ],
    problems: [],
  });
});

test.each<[what: string, more: Parameters<typeof workspace>[0], table: object, problem: string]>([
  ['too many packages', {}, { limits: { '@lane/ours': 1 } }, '@lane/ours brings 2 third-party packages, more than its limit of 1'],
  ['a limit that nobody lowered', {}, { limits: { '@lane/ours': 3 } }, 'lower its limit of 3'],
  ['a package without a limit', {}, { limits: {} }, '@lane/ours has no limit'],
  ['a dependency without a reason', {}, { reasons: {} }, '@lane/ours depends on asked: give the reason'],
  ['a reason without a dependency', {}, { reasons: { asked: 'for a reason', gone: 'for another' } }, 'none of our packages depends on gone any more'],
  ['a licence that is not allowed', { further: { license: 'AGPL-3.0' } }, {}, 'further@1.0.0 (by asked > further) has the licence AGPL-3.0'],
  [
    'a choice of licences beside one that is not allowed',
    { further: { license: '(MIT OR GPL-2.0) AND AGPL-3.0' } },
    {},
    'has the licence (MIT OR GPL-2.0) AND AGPL-3.0',
  ],
  ['a licence with an exception', { further: { license: 'MIT WITH Something' } }, {}, 'has the licence MIT WITH Something'],
  ['a malformed licence', { further: { license: '(MIT' } }, {}, 'has the licence (MIT'],
  [
    'a dependency from git',
    { asked: { dependencies: { further: 'github:somebody/further' } } },
    {},
    'asked depends on further from github:somebody/further',
  ],
  [
    'a dependency from git in short form',
    { asked: { dependencies: { further: 'somebody/further#v1' } } },
    {},
    'asked depends on further from somebody/further#v1',
  ],
  [
    'a dependency from a URL',
    { ours: { dependencies: { asked: 'https://a.example/asked.tgz' } } },
    {},
    '@lane/ours depends on asked from https://a.example/asked.tgz',
  ],
  ['a dependency under an alias', { ours: { dependencies: { asked: 'npm:other@1' } } }, {}, '@lane/ours depends on asked from npm:other@1'],
  ['no licence', { asked: { license: undefined } }, {}, 'asked@1.0.0'],
  ['an install script', { further: { scripts: { postinstall: 'node x' } } }, {}, 'runs on installation: postinstall: node x'],
  ['a native addon to compile', { files: { 'node_modules/further/binding.gyp': '{}' } }, {}, 'runs on installation: node-gyp'],
  ['an install script of ours', { ours: { scripts: { install: 'node x' } } }, {}, '@lane/ours runs on installation: install: node x'],
  ['a peer that npm would install', { asked: { peerDependencies: { absent: '1' } } }, {}, 'asked depends on absent, which is not installed'],
])('reports %s', async (_what, more, table, problem) => {
  const { survey } = await load();
  expect(survey(workspace(more), { ...TABLE, ...table }).problems).toEqual(expect.arrayContaining([expect.stringContaining(problem)]) as unknown);
});

test('accepts one of two licences, and ignores an optional peer', async () => {
  const { survey } = await load();
  const further = { license: '(GPL-2.0 OR (MIT AND MIT))', peerDependencies: { absent: '1' }, peerDependenciesMeta: { absent: { optional: true } } };
  expect(survey(workspace({ further }), TABLE).problems).toEqual([]);
});

test('reports a package that the SBOM lacks', async () => {
  const { survey, missingIn } = await load();
  const sboms = temporaryFolder();
  const components = [{ name: 'asked', version: '1.0.0' }];
  writeFileSync(join(sboms, 'ours.cdx.json'), JSON.stringify({ metadata: { component: { group: '@lane', name: 'ours' } }, components }));
  expect(missingIn(sboms, survey(workspace(), TABLE).packages)).toEqual(['the SBOM of @lane/ours does not list further@1.0.0']);
});

test('lists what a file of ours contains, and adds it to the SBOM', async () => {
  const { survey, addBundled, missingIn } = await load();
  const root = workspace({ ours: { dependencies: {}, devDependencies: { asked: '1', further: '1' } } });
  const table = { ...TABLE, limits: { '@lane/ours': 2 }, bundled: { '@lane/ours': ['asked'] } };
  const { packages, problems } = survey(root, table);
  expect(problems).toEqual([]);
  expect(packages[0]?.thirdParty.map(({ name, isBundled }) => [name, isBundled])).toEqual([
    ['asked', true],
    ['further', false],
  ]);

  const sboms = temporaryFolder();
  const file = join(sboms, 'ours.cdx.json');
  const component = { group: '@lane', name: 'ours', 'bom-ref': 'us' };
  writeFileSync(
    file,
    JSON.stringify({ metadata: { component }, components: [{ name: 'further', version: '1.0.0' }], dependencies: [{ ref: 'us' }] }),
  );
  addBundled(sboms, packages);
  expect(missingIn(sboms, packages)).toEqual([]);
  const sbom = JSON.parse(readFileSync(file, 'utf8')) as { components: unknown[]; dependencies: unknown[] };
  expect(sbom.components).toContainEqual(expect.objectContaining({ name: 'asked', purl: 'pkg:npm/asked@1.0.0', licenses: [{ expression: 'MIT' }] }));
  expect(sbom.dependencies).toContainEqual({ ref: 'us', dependsOn: ['pkg:npm/asked@1.0.0'] });
});

test('reports a bundled package that is not among the dev dependencies', async () => {
  const { survey } = await load();
  expect(survey(workspace(), { ...TABLE, bundled: { '@lane/ours': ['gone'] } }).problems).toEqual([
    '@lane/ours bundles gone, which is not among its devDependencies',
  ]);
});

test('the packages of this repository pass', async () => {
  const { survey } = await load();
  expect(survey(join(__dirname, '../..')).problems).toEqual([]);
});
