/** Finds what Node preloads, by NODE_OPTIONS and the command line, and whether it is the agent. */
import { statSync } from 'node:fs';
import { dirname, isAbsolute, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { packageOf, type Subject } from './subject.js';

/** A `--require` or `--import`. */
export interface Preload {
  readonly option: '--require' | '--import';
  /** As written. */
  readonly module: string;
  readonly from: 'NODE_OPTIONS' | 'the command line';
  /** The text up to the next option: the rest of an unquoted path with spaces. */
  readonly rest: readonly string[];
}

/** Splits NODE_OPTIONS as Node does: at spaces outside of double quotes; within quotes, a backslash escapes the next character. */
export function wordsOf(nodeOptions: string): { readonly words: readonly string[]; readonly isClosed: boolean } {
  const words: string[] = [];
  let word: string | undefined;
  let isQuoted = false;
  for (let i = 0; i < nodeOptions.length; i++) {
    let character = nodeOptions[i] as string;
    if (isQuoted && character === '\\' && i + 1 < nodeOptions.length) character = nodeOptions[++i] as string;
    else if (character === ' ' && !isQuoted) {
      if (word !== undefined) words.push(word);
      word = undefined;
      continue;
    } else if (character === '"') {
      isQuoted = !isQuoted;
      word ??= '';
      continue;
    }
    word = (word ?? '') + character;
  }
  if (word !== undefined) words.push(word);
  return { words, isClosed: !isQuoted };
}

/** Finds what is preloaded. */
export function preloadsOf({ environment, argv }: Pick<Subject, 'environment' | 'argv'>): readonly Preload[] {
  return [...preloadsIn(wordsOf(environment['NODE_OPTIONS'] ?? '').words, 'NODE_OPTIONS'), ...preloadsIn(argv.slice(1), 'the command line')];
}

function preloadsIn(words: readonly string[], from: Preload['from']): Preload[] {
  return words.flatMap((word, i): Preload[] => {
    const match = /^(-r|--require|--import)(?:=(.*))?$/.exec(word);
    if (match === null) return [];
    const module = match[2] ?? words[i + 1];
    if (module === undefined) return [];
    const after = words.slice(match[2] === undefined ? i + 2 : i + 1);
    const end = after.findIndex((one) => one.startsWith('-'));
    return [{ option: match[1] === '--import' ? '--import' : '--require', module, from, rest: end === -1 ? after : after.slice(0, end) }];
  });
}

/** What a preload resolves to. */
export interface ResolvedPreload {
  /** Whether it is the agent, or has its name. */
  readonly isAgent: boolean;
  /** The agent's version, from its package.json. */
  readonly version: string | undefined;
  /** undefined: there is no such file. */
  readonly file: string | undefined;
}

const AGENT = '@lane/agent';

/** Resolves a preload as Node would, from the folder in which the process was started. */
export function resolvePreload(subject: Subject, { module }: Pick<Preload, 'module'>): ResolvedPreload {
  if (module === AGENT || module.startsWith(`${AGENT}/`)) {
    const folder = installedFolder(subject, AGENT);
    return { isAgent: true, file: folder, version: folder === undefined ? undefined : packageOf(subject.root, join(folder, 'x'))?.version };
  }
  const path = pathIn(module);
  if (path === undefined) return { isAgent: false, file: undefined, version: undefined };
  const full = isAbsolute(path) ? path : join(subject.cwd, path);
  const file = [full, `${full}.js`, `${full}.cjs`, join(full, 'package.json')].find((candidate) => isFile(subject.root + candidate));
  const owner = file === undefined ? undefined : packageOf(subject.root, file);
  return {
    isAgent: owner?.name === AGENT || (owner === undefined && /lane[-/]agent/.test(full)),
    file,
    version: owner?.name === AGENT ? owner.version : undefined,
  };
}

/** The folder of a package that is installed for the app. */
export function installedFolder({ root, cwd, environment }: Subject, name: string): string | undefined {
  for (let folder = cwd; ; folder = dirname(folder)) {
    const candidate = join(folder, 'node_modules', name);
    if (isFile(join(root + candidate, 'package.json'))) return candidate;
    if (folder === dirname(folder)) break;
  }
  return (environment['NODE_PATH'] ?? '')
    .split(':')
    .filter((folder) => folder !== '')
    .map((folder) => join(folder, name))
    .find((candidate) => isFile(join(root + candidate, 'package.json')));
}

function pathIn(module: string): string | undefined {
  if (module.startsWith('file:')) {
    try {
      return fileURLToPath(module);
    } catch {
      return undefined;
    }
  }
  return /^\.{0,2}\//.test(module) || isAbsolute(module) ? module : undefined;
}

function isFile(path: string): boolean {
  try {
    return statSync(path).isFile();
  } catch {
    return false;
  }
}
