/** A release: one command turns the changesets into a version of all packages, a changelog section, a commit and a tag. */
import { execFile } from 'node:child_process';
import { cpSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { delimiter, dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { temporaryFolder } from '@lane/testing/cleanup';
import { describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import { nodeVersions } from '../agent/nodes.js';

const run = promisify(execFile);
const ROOT = join(__dirname, '../..');
/** Changesets needs Node 22.11. */
const node = nodeVersions().find(({ major }) => major >= 22);

interface Manifest {
  name: string;
  version: string;
  private?: boolean;
  dependencies?: Record<string, string>;
  repository?: { url: string; directory: string };
  homepage?: string;
  bugs?: string;
}
const manifestOf = (folder: string): Manifest => JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')) as Manifest;

/** Creates a repository with the files that a release uses. */
async function repository(
  files: Readonly<Record<string, string>>,
  url: string | undefined = 'https://github.com/acme/lane',
): Promise<{ root: string; git: (...args: string[]) => Promise<string> }> {
  const root = temporaryFolder();
  for (const name of ['package.json', 'pnpm-workspace.yaml', 'pnpm-lock.yaml', '.changeset/config.json', '.changeset/README.md', 'scripts'])
    cpSync(join(ROOT, name), join(root, name), { recursive: true });
  for (const name of [
    ...readdirSync(join(ROOT, 'packages')).map((one) => `packages/${one}`),
    'packages/console/web',
    'examples/shop',
    'test',
    'test/nodes',
  ]) {
    mkdirSync(join(root, name), { recursive: true });
    cpSync(join(ROOT, name, 'package.json'), join(root, name, 'package.json'));
  }
  for (const [name, text] of Object.entries(files)) writeFileSync(join(root, name), text);
  const manifest = { ...manifestOf(root), repository: url === '' ? undefined : url };
  writeFileSync(join(root, 'package.json'), `${JSON.stringify(manifest, null, 2)}\n`);
  const git = async (...args: string[]): Promise<string> =>
    (await run('git', ['-c', 'user.name=test', '-c', 'user.email=test@localhost', ...args], { cwd: root })).stdout.trim();
  await git('init', '--quiet', '--initial-branch=main');
  await git('config', 'user.name', 'test');
  await git('config', 'user.email', 'test@localhost');
  await git('add', '--all');
  await git('commit', '--quiet', '--message', 'all');
  return { root, git };
}

const release = (root: string): Promise<{ code: number; stdout: string; stderr: string }> =>
  run(node?.path ?? process.execPath, ['scripts/run.mjs', 'release'], {
    cwd: root,
    env: { ...process.env, PATH: [dirname(node?.path ?? process.execPath), process.env['PATH']].join(delimiter) },
  }).then(
    ({ stdout, stderr }) => ({ code: 0, stdout, stderr }),
    (error: { code: number; stdout: string; stderr: string }) => error,
  );

const CHANGELOG = '# Changelog\n\n## 0.2.0 (unreleased)\n\n- What was known before.\n\n## 0.1.0\n\n- All of it.\n';
const CHANGESET = "---\n'@lane/gateway': minor\n---\n\nGateway: a new option,\ntold in two lines.\n";

describe.skipIf(node === undefined)('npm run release', () => {
  test('gives all packages one version, the changelog its section, and the commit a tag', async () => {
    const before = manifestOf(join(ROOT, 'packages/core')).version;
    const { root, git } = await repository({ 'CHANGELOG.md': CHANGELOG, '.changeset/new-option.md': CHANGESET });
    expect(await release(root)).toMatchObject({ code: 0, stdout: expect.stringContaining('git push --follow-tags') });
    const manifests = readdirSync(join(root, 'packages')).map((name) => manifestOf(join(root, 'packages', name)));
    const published = manifests.filter((manifest) => manifest.private !== true);
    const { version } = manifestOf(root);
    expect(version).toBe(before.replace(/^(\d+)\.(\d+)\.\d+$/, (_, major, minor) => `${major}.${Number(minor) + 1}.0`));
    expect(published.filter((manifest) => manifest.version !== version)).toEqual([]);
    // npm compares this with the provenance.
    for (const { name, repository, homepage, bugs } of published) {
      const directory = `packages/${name.replace('@lane/', '')}`;
      expect(repository, name).toEqual({ type: 'git', url: 'git+https://github.com/acme/lane.git', directory });
      expect([homepage, bugs], name).toEqual([`https://github.com/acme/lane/tree/main/${directory}#readme`, 'https://github.com/acme/lane/issues']);
    }
    expect(
      published
        .flatMap(({ dependencies = {} }) => Object.entries(dependencies))
        .filter(([name, range]) => name.startsWith('@lane/') && range !== 'workspace:*'),
    ).toEqual([]);
    const today = new Date().toISOString().slice(0, 10);
    expect(readFileSync(join(root, 'CHANGELOG.md'), 'utf8')).toBe(
      `# Changelog\n\n## ${version} (${today})\n\n- What was known before.\n\nBesides:\n\n- Gateway: a new option,\n  told in two lines.\n\n## 0.1.0\n\n- All of it.\n`,
    );
    expect(readdirSync(join(root, '.changeset')).sort()).toEqual(['README.md', 'config.json']);
    expect(await git('tag', '--points-at', 'HEAD')).toBe(`v${version}`);
    expect(await git('status', '--porcelain')).toBe('');
  });

  test.each([
    ['', /names no repository, .* run npm pkg set repository=https:\/\/github\.com\/OWNER\/NAME/],
    ['https://git.example.com/lane.git', /must be https:\/\/github\.com\/OWNER\/NAME/],
  ])('with repository %j in package.json, names the remedy and changes nothing', async (url, message) => {
    const { root, git } = await repository({ 'CHANGELOG.md': CHANGELOG, '.changeset/new-option.md': CHANGESET }, url);
    expect(await release(root)).toMatchObject({ code: 1, stderr: expect.stringMatching(message) });
    expect([await git('tag'), await git('status', '--porcelain')]).toEqual(['', '']);
  });

  test('without a changeset, or with uncommitted changes, says so and changes nothing', async () => {
    const { root, git } = await repository({ 'CHANGELOG.md': CHANGELOG });
    expect(await release(root)).toMatchObject({ code: 1, stderr: expect.stringContaining('nothing to release: npm run change') });
    writeFileSync(join(root, '.changeset/new-option.md'), CHANGESET);
    expect(await release(root)).toMatchObject({ code: 1, stderr: expect.stringContaining('uncommitted') });
    expect(await git('tag')).toBe('');
    expect(await git('status', '--porcelain')).toBe('?? .changeset/new-option.md');
  });
});

test('every published package is released with the others', () => {
  const { fixed } = JSON.parse(readFileSync(join(ROOT, '.changeset/config.json'), 'utf8')) as { fixed: string[][] };
  const published = readdirSync(join(ROOT, 'packages'))
    .map((name) => manifestOf(join(ROOT, 'packages', name)))
    .filter((manifest) => manifest.private !== true)
    .map(({ name }) => name);
  expect(fixed).toEqual([published.sort()]);
});

describe('the workflows on GitHub', () => {
  interface Job {
    readonly permissions?: Readonly<Record<string, string>>;
    readonly steps: ReadonlyArray<{ readonly uses?: string; readonly run?: string }>;
  }
  interface Workflow {
    readonly permissions?: Readonly<Record<string, string>>;
    readonly jobs: Readonly<Record<string, Job>>;
  }
  const folder = join(ROOT, '.github/workflows');
  const jobs = readdirSync(folder).flatMap((file) => {
    const workflow = parse(readFileSync(join(folder, file), 'utf8')) as Workflow;
    return Object.entries(workflow.jobs).map(([name, job]) => ({
      name: `${file}: ${name}`,
      permissions: job.permissions ?? workflow.permissions,
      ...job,
    }));
  });

  test.each(jobs)('$name: third-party actions are pinned to a commit, since tags can be moved', ({ steps }) => {
    const actions = steps.flatMap(({ uses }) => (uses === undefined ? [] : [uses]));
    expect(actions.filter((uses) => !/^[\w-]+\/[\w-]+@[\da-f]{40}$/.test(uses))).toEqual([]);
  });

  test.each(jobs)(
    '$name: it says what it may do, and who may write runs nothing of the repository and its dependencies',
    ({ permissions, steps }) => {
      expect(permissions).toBeDefined();
      if (Object.values(permissions ?? {}).every((access) => access !== 'write')) return;
      for (const { uses = '', run: command = '' } of steps) {
        expect(uses).not.toContain('checkout');
        expect(command).not.toMatch(/\bnpm (?!publish )|\bnpx\b|\.ci\/|\bnode\b/);
        if (command.includes('npm publish')) expect(command).toContain('--ignore-scripts');
      }
    },
  );
});
