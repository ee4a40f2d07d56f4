/** Finds where in libraries and in the app something happens, by stack traces. */
import { relative, sep } from 'node:path';
import type { TraceFrame } from '@lane/core/agent';
import { manifestIn, type Manifest } from '../../patching/package-files.js';

/** A package, or the app itself, that a file belongs to. */
export interface Owner {
  readonly name: string;
  readonly version: string | undefined;
  /** The folder of its package.json, with `/` at the end. */
  readonly root: string;
  readonly manifest: Manifest;
  /** Part of the app, not installed in node_modules. */
  readonly isOwn: boolean;
}

const FOLDER = `${sep}node_modules${sep}`;
const owners = new Map<string, Owner | undefined>();

/** The owner of a file; undefined: no named package. */
export function ownerOf(filename: string): Owner | undefined {
  const folder = filename.slice(0, filename.lastIndexOf(sep));
  if (!owners.has(folder)) owners.set(folder, findOwner(folder));
  return owners.get(folder);
}

function findOwner(folder: string): Owner | undefined {
  for (let root = folder; root.includes(sep); root = root.slice(0, root.lastIndexOf(sep))) {
    if (root.endsWith(`${sep}node_modules`)) return undefined;
    const manifest = manifestIn(root);
    // Packages mark folders with a package.json that has only a type.
    if (manifest?.name !== undefined)
      return { name: manifest.name, version: manifest.version, root: root + sep, manifest, isOwn: !`${root}${sep}`.includes(FOLDER) };
  }
  return undefined;
}

/** An object filled in by `captureStackTrace`. */
export interface Stack {
  readonly stack?: string;
}

/** Depth of a stack trace. */
const FRAMES = 40;

/** The current stack, which costs little until it is read. */
export function stackHere(): Stack {
  const { stackTraceLimit } = Error;
  Error.stackTraceLimit = FRAMES;
  const holder: { stack?: string } = {};
  Error.captureStackTrace(holder, stackHere);
  Error.stackTraceLimit = stackTraceLimit;
  return holder;
}

interface Frame {
  readonly file: string;
  readonly at: string;
}

function framesOf(stack: string | undefined): Frame[] {
  const frames: Frame[] = [];
  for (const line of (stack ?? '').split('\n')) {
    const match = /^\s+at (?:async )?(?:(.+) \()?(?:file:\/\/)?(\/.+|[A-Za-z]:\\.+?):(\d+):\d+\)?$/.exec(line);
    if (match === null) continue;
    const [, name, file = '', row] = match;
    if (!file.startsWith(ours())) frames.push({ file, at: `${shown(file)}:${row}${name === undefined ? '' : ` (${name})`}` });
  }
  return frames;
}

let own: string | undefined;
/** The folder of the agent, whose frames do not count. */
function ours(): string {
  return (own ??= ownerOf(__filename)?.root ?? __dirname);
}

function shown(file: string): string {
  const short = relative(process.cwd(), file);
  return short.startsWith('..') ? (file.includes(FOLDER) ? file.slice(file.lastIndexOf(FOLDER) + 1) : file) : short;
}

/** The frame of a library nearest to the top; null: there is none. */
export function libraryFrame({ stack }: Stack): TraceFrame | null {
  for (const { file, at } of framesOf(stack)) {
    const owner = file.includes(FOLDER) ? ownerOf(file) : undefined;
    if (owner !== undefined) return { library: owner.name, version: owner.version, at };
  }
  return null;
}

/** The nearest frame of any file that is not Node's. */
export function nearestFrame({ stack }: Stack): string | undefined {
  return framesOf(stack)[0]?.at;
}

/** The app's own frame nearest to the top: `file:line`. */
export function ownFrame({ stack }: Stack): string | undefined {
  return framesOf(stack)
    .find(({ file }) => !file.includes(FOLDER))
    ?.at.replace(/ \(.*$/, '');
}
