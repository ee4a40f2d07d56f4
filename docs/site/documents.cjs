/** The Markdown documents of the repository: which there are, what they link to, and which anchors they have. No dependency. */
const { existsSync, readdirSync, readFileSync, statSync } = require('node:fs');
const { join, posix, relative, sep } = require('node:path');

/** The repository. */
const ROOT = join(__dirname, '../..');

/** Folders whose Markdown files are documents, each with or without what is below it. */
const FOLDERS = [
  { folder: '.', deep: false },
  { folder: '.github', deep: true },
  { folder: 'docs', deep: true },
  { folder: 'packages', deep: true },
  { folder: 'examples', deep: true },
  { folder: 'test/chaos', deep: false },
  { folder: 'dashboards', deep: true },
];
const LEFT_OUT = new Set(['node_modules', 'dist', 'build', 'target', '.next', '.cache', '.pages', '.vitepress', 'testing']);

/** Paths of all documents, from the root, with slashes. */
function documents() {
  const found = [];
  const visit = (folder, deep) => {
    for (const entry of readdirSync(folder, { withFileTypes: true })) {
      const path = join(folder, entry.name);
      if (entry.isDirectory()) {
        if (deep && !LEFT_OUT.has(entry.name)) visit(path, deep);
      } else if (entry.name.endsWith('.md')) found.push(relative(ROOT, path).split(sep).join('/'));
    }
  };
  for (const { folder, deep } of FOLDERS) if (existsSync(join(ROOT, folder))) visit(join(ROOT, folder), deep);
  return found.toSorted((a, b) => (a < b ? -1 : 1));
}

/** The text of a document. */
function textOf(path) {
  return readFileSync(join(ROOT, path), 'utf8');
}

/**
 * A document in pieces, in order: prose, and code (fenced, indented, or inline), which has neither links nor headings. Together they
 * are the text.
 */
function* pieces(text) {
  let prose = '';
  let code = '';
  let fence;
  let isAfterBlank = true;
  let isInList = false;
  for (const line of text.split(/(?<=\n)/)) {
    const opening = /^ *(`{3,}|~{3,})/.exec(line)?.[1];
    const isIndented = /^(?: {4}|\t)/.test(line);
    if (fence !== undefined) {
      code += line;
      if (opening?.startsWith(fence) && line.trim() === opening) fence = undefined;
    } else if (opening !== undefined) {
      fence = opening;
      if (code === '' && prose !== '') yield* prosePieces(prose);
      if (code === '') prose = '';
      code += line;
    } else if (isIndented && (code !== '' || isAfterBlank) && (!isInList || /^ {6}/.test(line))) {
      if (prose !== '') yield* prosePieces(prose);
      prose = '';
      code += line;
    } else if (code !== '' && line.trim() === '') {
      code += line;
    } else {
      if (code !== '') yield { kind: 'block', text: code };
      code = '';
      prose += line;
    }
    if (/^(?:[-*]|\d+\.) /.test(line)) isInList = true;
    else if (/^\S/.test(line)) isInList = false;
    isAfterBlank = line.trim() === '';
  }
  if (prose !== '') yield* prosePieces(prose);
  if (code !== '') yield { kind: 'block', text: code };
}

function* prosePieces(text) {
  let from = 0;
  for (const match of text.matchAll(/(?<![\\`])(`+)(?!`)[^]*?[^`]\1(?!`)/g)) {
    yield { kind: 'prose', text: text.slice(from, match.index) };
    yield { kind: 'inline', text: match[0] };
    from = match.index + match[0].length;
  }
  yield { kind: 'prose', text: text.slice(from) };
}

/** What stands in place of inline code while links are looked for, which may have code in their text. */
const CODE = /\uE000(\d+)\uE000/g;

/** Replaces each link and picture of a document: `replace({ isPicture, label, target, whole })` gives what stands there instead. */
function replaceLinks(text, replace) {
  const codes = [];
  let hidden = '';
  for (const piece of pieces(text)) hidden += piece.kind === 'prose' ? piece.text : `\uE000${codes.push(piece.text) - 1}\uE000`;
  const restore = (part) => part.replace(CODE, (_, at) => codes[at]);
  // A picture may be the label of a link.
  const link = /(!?)\[((?:!\[[^\]]*\]\([^)\s]*\)|[^[\]]|\[[^[\]]*\](?!\())*)\]\(([^)\s]+)\)/g;
  const visit = (part) =>
    part.replace(link, (whole, mark, label, target) =>
      replace({ isPicture: mark === '!', label: restore(mark === '' ? visit(label) : label), target, whole: restore(whole) }),
    );
  return restore(visit(hidden));
}

/** Targets of all links and pictures of a document. */
function linksOf(text) {
  const found = [];
  replaceLinks(text, ({ target, whole }) => {
    found.push(target);
    return whole;
  });
  return found;
}

/** The anchor of a heading, as GitHub makes it. The site does likewise. */
function anchorOf(heading) {
  return heading
    .replace(/!?\[([^\]]*)\]\([^)]*\)/g, '$1')
    .replace(/<[^>]*>/g, '')
    .trim()
    .toLowerCase()
    .replace(/[^\p{L}\p{M}\p{N}\p{Pc}\- ]/gu, '')
    .replaceAll(' ', '-');
}

/** Anchors of all headings of a document. */
function anchorsOf(text) {
  const counts = new Map();
  const anchors = new Set();
  let prose = '';
  for (const piece of pieces(text)) if (piece.kind !== 'block') prose += piece.kind === 'inline' ? piece.text.replaceAll('`', '') : piece.text;
  for (const [, heading] of prose.matchAll(/^#{1,6} +(.+?)(?: +#+)?$/gm)) {
    const anchor = anchorOf(heading);
    const count = counts.get(anchor) ?? 0;
    counts.set(anchor, count + 1);
    anchors.add(count === 0 ? anchor : `${anchor}-${count}`);
  }
  return anchors;
}

/** What a link means. undefined: something outside of the repository. A folder with a README means that. */
function resolveLink(from, target) {
  if (/^[a-z][a-z\d+.-]*:/i.test(target)) return undefined;
  const [path, anchor] = target.split('#');
  let to = path === '' ? from : posix.normalize(posix.join(posix.dirname(from), decodeURIComponent(path)));
  to = to.replace(/\/$/, '');
  if (existsSync(join(ROOT, to, 'README.md'))) to = posix.join(to, 'README.md');
  return {
    path: to,
    anchor,
    exists: !to.startsWith('..') && existsSync(join(ROOT, to)),
    isFile: existsSync(join(ROOT, to)) && statSync(join(ROOT, to)).isFile(),
  };
}

/** Links of a document that lead nowhere, each with the reason. `text`: what it has, or would have. */
function deadLinks(from, text = textOf(from)) {
  const dead = [];
  for (const target of linksOf(text)) {
    const link = resolveLink(from, target);
    if (link === undefined) continue;
    if (!link.exists) dead.push(`${from}: ${target}: there is no ${link.path}`);
    else if (
      link.anchor !== undefined &&
      link.path.endsWith('.md') &&
      !anchorsOf(link.path === from ? text : textOf(link.path)).has(decodeURIComponent(link.anchor))
    )
      dead.push(`${from}: ${target}: ${link.path} has no such heading`);
  }
  return dead;
}

module.exports = { ROOT, documents, textOf, pieces, replaceLinks, linksOf, anchorOf, anchorsOf, resolveLink, deadLinks };
