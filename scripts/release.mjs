/**
 * `npm run release`: turns the changesets in `.changeset` into a version: a commit and a tag. Pushing the tag publishes: `.github/workflows/release.yml`
 * checks, packs, attests and publishes the tarballs. Changesets decides the version, but cannot write one CHANGELOG.md for all packages, so we do.
 */
import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** The version of @changesets/cli that we tested. */
export const CHANGESETS = '@changesets/cli@3.0.3';
/** From its `engines`. */
const OLDEST_NODE = 22;

/** Runs changesets in a repository. Throws if it fails. */
export function changesets(root, args) {
  if (Number(process.versions.node.split('.')[0]) < OLDEST_NODE)
    throw new Error(`changesets needs Node ${OLDEST_NODE} or later, and this is ${process.version}: switch, then try again`);
  execFileSync('npx', ['-y', CHANGESETS, ...args], { cwd: root, stdio: 'inherit', shell: process.platform === 'win32' });
}

/** Makes the release and returns its tag. Throws, and changes nothing, if there is nothing to release or something is uncommitted. */
export function release(root, { today = new Date().toISOString().slice(0, 10) } = {}) {
  const git = (...args) => execFileSync('git', args, { cwd: root, encoding: 'utf8' }).trim();
  if (git('status', '--porcelain') !== '') throw new Error('there are uncommitted changes: commit or stash them first');
  const folder = join(root, '.changeset');
  const names = readdirSync(folder).filter((name) => name.endsWith('.md') && name !== 'README.md');
  const entries = names.sort().map((name) => entryOf(readFileSync(join(folder, name), 'utf8')));
  if (entries.length === 0) throw new Error('there is nothing to release: npm run change adds a changeset');
  const url = repositoryOf(root);

  changesets(root, ['version']);
  nameRepository(root, url);
  const { version } = JSON.parse(readFileSync(join(root, 'packages/core/package.json'), 'utf8'));
  const manifest = join(root, 'package.json');
  writeFileSync(manifest, readFileSync(manifest, 'utf8').replace(/("version": )"[^"]*"/, `$1"${version}"`));
  const changelog = join(root, 'CHANGELOG.md');
  writeFileSync(changelog, withRelease(readFileSync(changelog, 'utf8'), version, today, entries));

  const tag = `v${version}`;
  git('add', '--all');
  git('commit', '--quiet', '--message', `Release ${tag}`);
  git('tag', '--annotate', tag, '--message', tag);
  return tag;
}

/**
 * The URL of the repository, `https://github.com/OWNER/NAME`. npm compares it with the provenance of a package, and rejects the package if it differs or
 * is missing. Only the root's package.json has it, and only once there is a public repository.
 */
function repositoryOf(root) {
  const { repository } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
  const given = typeof repository === 'string' ? repository : repository?.url;
  if (given === undefined)
    throw new Error(
      'package.json names no repository, but npm compares that with the provenance of a package. Once there is a public one, run npm pkg set repository=https://github.com/OWNER/NAME, commit, and try again',
    );
  const [, path] = /^(?:git\+)?https:\/\/github\.com\/([\w-]+\/[\w.-]+?)(?:\.git)?$/.exec(given) ?? [];
  if (path === undefined)
    throw new Error(`the repository in package.json is ${given}: must be https://github.com/OWNER/NAME, as GitHub Actions builds the release`);
  return `https://github.com/${path}`;
}

/** Writes `repository`, `homepage` and `bugs` into the manifest of each published package. */
function nameRepository(root, url) {
  for (const name of readdirSync(join(root, 'packages'))) {
    const path = join(root, 'packages', name, 'package.json');
    const manifest = JSON.parse(readFileSync(path, 'utf8'));
    if (manifest.private === true) continue;
    const directory = `packages/${name}`;
    manifest.repository = { type: 'git', url: `git+${url}.git`, directory };
    manifest.homepage = `${url}/tree/main/${directory}#readme`;
    manifest.bugs = `${url}/issues`;
    writeFileSync(path, `${JSON.stringify(manifest, null, 2)}\n`);
  }
}

/** The text of a changeset, without its front matter, as a list item. */
function entryOf(text) {
  const body = text.replace(/^---\r?\n[\s\S]*?\r?\n---\r?\n/, '').trim();
  return `- ${body.split(/\r?\n/).join('\n  ')}`;
}

/** The changelog with the release: an `(unreleased)` section gets the date and the entries; without one, adds a section. */
export function withRelease(changelog, version, today, entries) {
  const heading = `## ${version} (${today})`;
  const begun = /^## (\S+) \(unreleased\)\n/m.exec(changelog);
  if (begun === null) return changelog.replace(/^# .*\n/, (title) => `${title}\n${heading}\n\n${entries.join('\n')}\n`);
  const from = begun.index + begun[0].length;
  const next = changelog.indexOf('\n## ', from);
  const end = next === -1 ? changelog.length : next;
  return `${changelog.slice(0, begun.index)}${heading}\n${changelog.slice(from, end).trimEnd()}\n\nBesides:\n\n${entries.join('\n')}\n${changelog.slice(end)}`;
}
