/**
 * Builds the documents as a site. They are written for a clone first: links go from file to file, to sources too. Here each gets its
 * place on the site, links follow, and what is no page loses its link, or comes along as a file.
 */
import { spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { createRequire } from 'node:module';
import { deadLinks, documents, replaceLinks, resolveLink, ROOT, textOf } from './documents.cjs';

const site = join(ROOT, 'docs/site');
const pages = join(site, '.pages');
/** Files that pages show or offer. */
const FILE = /\.(?:svg|png|json)$/;

/** Where a document is on the site; undefined: nowhere. */
function placeOf(path) {
  const rules = [
    [/^docs\/(.+)$/, '$1'],
    [/^README\.md$/, 'readme.md'],
    [/^README\.zh-CN\.md$/, 'zh/readme.md'],
    [/^COMPATIBILITY\.md$/, 'compatibility-policy.md'],
    [/^(ARCHITECTURE|SECURITY|CONTRIBUTING|CHANGELOG|CODE_OF_CONDUCT)\.md$/, '$1.md'],
    [/^packages\/([^/]+)\/README\.md$/, 'packages/$1.md'],
    [/^packages\/([^/]+)\/([^/]+)\/README\.md$/, 'packages/$1-$2.md'],
    [/^examples\/([^/]+)\/README\.md$/, 'examples/$1.md'],
  ];
  const found = rules.find(([pattern]) => pattern.test(path));
  return found === undefined ? undefined : path.replace(...found).toLowerCase();
}

function write(place, content) {
  const path = join(pages, place);
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, content);
}

const dead = documents().flatMap((path) => deadLinks(path));
if (dead.length > 0) {
  console.error(`${dead.length} dead links:\n${dead.join('\n')}`);
  process.exit(1);
}

rmSync(pages, { recursive: true, force: true });
const places = new Set();
for (const path of documents()) {
  const place = placeOf(path);
  if (place === undefined) continue;
  if (places.has(place)) throw new Error(`${path} and another document both go to ${place}`);
  places.add(place);
  const text = replaceLinks(textOf(path), ({ isPicture, label, target, whole }) => {
    const link = resolveLink(path, target);
    if (link === undefined || target.startsWith('#')) return whole;
    const page = placeOf(link.path);
    if (page !== undefined && link.isFile && link.path.endsWith('.md'))
      return `[${label}](/${page.replace(/(?:^|(?<=\/))index\.md$/, '').replace(/\.md$/, '')}${link.anchor === undefined ? '' : `#${link.anchor}`})`;
    if (!FILE.test(link.path)) return label;
    const file = join(pages, 'public/files', link.path);
    mkdirSync(dirname(file), { recursive: true });
    cpSync(join(ROOT, link.path), file);
    return `${isPicture ? '!' : ''}[${label}](/files/${link.path})`;
  });
  write(place, text);
}
console.log(`${places.size} documents`);

const vitepress = join(dirname(createRequire(import.meta.url).resolve('vitepress/package.json')), 'bin/vitepress.js');
const run = (...args) => spawnSync(process.execPath, [vitepress, ...args], { cwd: site, stdio: 'inherit' }).status ?? 1;
process.exitCode = run('build', site);
if (process.exitCode === 0 && process.argv.includes('--serve')) process.exitCode = run('preview', site, '--host', '127.0.0.1');
