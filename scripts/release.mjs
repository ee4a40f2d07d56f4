/**
 * `npm run release`: makes a version of the changesets in `.changeset`, as a commit and a tag. Pushing the tag publishes: `.github/workflows/release.yml`
 * checks, packs, attests and publishes what was checked. Changesets decides the version; CHANGELOG.md is one for all packages, which it does not know.
 */
import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** The version of @changesets/cli that was tried. */
export const CHANGESETS = '@changesets/cli@3.0.3';
/** Of its `engines`. */
const OLDEST_NODE = 22;

/** Runs the command of changesets in a repository. Throws where it fails. */
export function changesets(root, args) {
  if (Number(process.versions.node.split('.')[0]) < OLDEST_NODE)
    throw new Error(`changesets needs Node ${OLDEST_NODE} or later, and this is ${process.version}: switch to one, then try again`);
  execFileSync('npx', ['-y', CHANGESETS, ...args], { cwd: root, stdio: 'inherit', shell: process.platform === 'win32' });
}

/** Makes the release. Throws, and changes nothing, where there is nothing to release or something uncommitted. Gives the tag. */
export function release(root, { today = new Date().toISOString().slice(0, 10) } = {}) {
  const git = (...args) => execFileSync('git', args, { cwd: root, encoding: 'utf8' }).trim();
  if (git('status', '--porcelain') !== '') throw new Error('there are uncommitted changes: commit or stash them first');
  const folder = join(root, '.changeset');
  const names = readdirSync(folder).filter((name) => name.endsWith('.md') && name !== 'README.md');
  const entries = names.sort().map((name) => entryOf(readFileSync(join(folder, name), 'utf8')));
  if (entries.length === 0) throw new Error('there is nothing to release: npm run change adds a changeset');

  changesets(root, ['version']);
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

/** What a changeset says: all behind its front matter, as an entry of a list. */
function entryOf(text) {
  const body = text.replace(/^---\r?\n[\s\S]*?\r?\n---\r?\n/, '').trim();
  return `- ${body.split(/\r?\n/).join('\n  ')}`;
}

/** The changelog with the release: a section that was begun for it gets its date and the entries, else there is a new one. */
export function withRelease(changelog, version, today, entries) {
  const heading = `## ${version} (${today})`;
  const begun = /^## (\S+) \(unreleased\)\n/m.exec(changelog);
  if (begun === null) return changelog.replace(/^# .*\n/, (title) => `${title}\n${heading}\n\n${entries.join('\n')}\n`);
  const from = begun.index + begun[0].length;
  const next = changelog.indexOf('\n## ', from);
  const end = next === -1 ? changelog.length : next;
  return `${changelog.slice(0, begun.index)}${heading}\n${changelog.slice(from, end).trimEnd()}\n\nBesides:\n\n${entries.join('\n')}\n${changelog.slice(end)}`;
}
