/**
 * Finds the tests that a change can affect. vitest follows imports within one package's sources, but packages import each other as built
 * files, and tests start programs by path. So a changed package is represented by its entry files, and by the tests that name it.
 */
import { execFileSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';

/** Everything depends on these. */
const ALL = /^(?:package\.json|pnpm-.*\.yaml|tsconfig.*\.json|vitest\.config\.mts|scripts\/.*|test\/package\.json)$/;

/**
 * Compares the working tree, untracked files included, with a commit.
 * Returns `all: true`, or the files for `vitest related`: none if no test depends on the changes.
 */
export function changedTests(root, since = 'HEAD') {
  const git = (...args) => execFileSync('git', args, { cwd: root, encoding: 'utf8' }).split('\n').filter(Boolean);
  const changed = [...new Set([...git('diff', '--name-only', since, '--'), ...git('ls-files', '--others', '--exclude-standard')])];
  if (changed.some((file) => ALL.test(file))) return { all: true, changed, packages: [], files: [] };

  const packages = workspace(root);
  const affected = new Set();
  const visit = (name) => {
    if (affected.has(name)) return;
    affected.add(name);
    for (const other of packages.values()) if (other.uses.has(name)) visit(other.name);
  };
  for (const file of changed) {
    const [, folder, rest] = /^packages\/([^/]+)\/(.*)$/.exec(file) ?? [];
    // Tests, and files that only tests use, change nothing that is built.
    if (folder !== undefined && !/\.test\.ts$|^src\/testing\/|\.md$/.test(rest) && packages.has(folder) && folder !== 'testing') visit(folder);
    if (file.startsWith('examples/shop/')) visit('cli');
  }

  const files = new Set(changed.filter((file) => existsSync(join(root, file))));
  for (const name of affected) for (const entry of packages.get(name).entries) files.add(`packages/${name}/${entry}`);
  if (affected.has('cli') || affected.has('agent')) files.add('packages/testing/src/programs.ts');
  if (affected.has('agent')) files.add('test/agent/run-app.ts');

  const names = [...affected].map((name) => name.replaceAll('-', '\\-')).join('|');
  const named = affected.size === 0 ? undefined : new RegExp(`require\\.resolve\\('@lane/(?:${names})'|(?:^|/)(?:${names})/dist/`, 'm');
  // Files that are not modules are found by name.
  const others = changed.filter((file) => !/\.(?:ts|mts|tsx)$/.test(file)).map((file) => basename(file));
  // Tests of the documents find the Markdown files by themselves.
  const hasDocuments = changed.some((file) => file.endsWith('.md'));
  const tests = git('ls-files', '--cached', '--others', '--exclude-standard', '--', 'packages/**/*.test.ts', 'test/**/*.test.ts');
  for (const test of tests) {
    // These have their own commands.
    if (/^test\/(?:matrix|interop)\//.test(test) || !existsSync(join(root, test))) continue;
    const text = readFileSync(join(root, test), 'utf8');
    const [, own] = /^packages\/([^/]+)\//.exec(test) ?? [];
    if (hasDocuments && test.startsWith('test/docs/')) files.add(test);
    if (named?.test(text) || (affected.has(own) && /['/]dist\//.test(text)) || others.some((name) => text.includes(name))) files.add(test);
  }
  return { all: false, changed, packages: [...affected], files: [...files] };
}

/** Our packages by folder: what each uses, in its tests too, and the files that others import. */
function workspace(root) {
  return new Map(
    readdirSync(join(root, 'packages'))
      .filter((name) => existsSync(join(root, 'packages', name, 'package.json')))
      .map((name) => {
        const {
          dependencies,
          devDependencies,
          exports: exported,
          main,
        } = JSON.parse(readFileSync(join(root, 'packages', name, 'package.json'), 'utf8'));
        const uses = Object.keys({ ...dependencies, ...devDependencies }).flatMap((one) => (one.startsWith('@lane/') ? [one.slice(6)] : []));
        const entries = [...new Set(JSON.stringify([exported, main]).match(/(?<="(?:\.\/)?)dist\/[^"*]+\.js(?=")/g) ?? [])];
        return [name, { name, uses: new Set(uses), entries }];
      }),
  );
}
