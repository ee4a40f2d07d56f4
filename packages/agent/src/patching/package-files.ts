/**
 * Which package a file belongs to, by the name in its package.json and the file's path within. The folder has another name under an npm alias, in
 * pnpm's store, in a workspace and in a vendored copy. Bundled code is no longer a file of a package.
 */
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

/** A package's manifest. */
export interface Manifest {
  readonly name: string | undefined;
  readonly version: string | undefined;
  /** Its entries as paths within, such as `dist/index.js`: `main`, and the `.` of `exports`. */
  readonly entries: readonly string[];
}

const manifests = new Map<string, Manifest | undefined>();

/** The manifest in a folder (a path, or a file: URL); undefined: not there, or may not be read (--permission). Read once. */
export function manifestIn(root: string): Manifest | undefined {
  if (manifests.has(root)) return manifests.get(root);
  let manifest: Manifest | undefined;
  try {
    const read = JSON.parse(readFileSync(`${root.startsWith('file:') ? fileURLToPath(root) : root}/package.json`, 'utf8')) as Record<string, unknown>;
    manifest = { name: textOf(read['name']), version: textOf(read['version']), entries: entriesOf(read) };
  } catch {
    // Then we know nothing.
  }
  manifests.set(root, manifest);
  return manifest;
}

function textOf(value: unknown): string | undefined {
  return typeof value === 'string' ? value : undefined;
}

function entriesOf({ main, exports }: Record<string, unknown>): string[] {
  const found: string[] = [];
  const collect = (value: unknown): void => {
    if (typeof value === 'string') found.push(value);
    else if (typeof value === 'object' && value !== null) for (const each of Object.values(value)) collect(each);
  };
  collect(main ?? 'index.js');
  const isMap = typeof exports === 'object' && exports !== null && '.' in exports;
  collect(isMap ? (exports as Record<string, unknown>)['.'] : exports);
  return found.flatMap((entry) => {
    const within = entry.replace(/^\.?\//, '').replace(/\/$/, '');
    return /\.[cm]?js$/.test(within) ? [within] : [`${within}.js`, `${within}/index.js`];
  });
}

/** The package of `package/path/within.js`. */
export function packageOf(file: string): string {
  const end = file.indexOf('/', file.charCodeAt(0) === AT ? file.indexOf('/') + 1 : 0);
  return end === -1 ? file : file.slice(0, end);
}
const AT = 64;

const FOLDER = '/node_modules/';

/** A file of a package, and what is kept for it. Each start makes hundreds of these. */
export interface PackageFile<T> {
  /** `package/path/within.js`, or a package's name, which means its entries. */
  readonly file: string;
  /** `/path/within.js`. */
  readonly within: string;
  readonly value: T;
}

/** Values by file, found by a file's location. */
export class PackageFiles<T> {
  /** By the file's base name, because most loaded files are of no interest. */
  readonly #files = new Map<string, Array<PackageFile<T>>>();
  readonly #entries = new Map<string, Array<PackageFile<T>>>();

  /** `file`: `package/path/within.js`; a package's name alone means its entries. */
  add(file: string, value: T): PackageFile<T> {
    const name = packageOf(file);
    const added: PackageFile<T> = { file, within: file.slice(name.length), value };
    const files = file === name ? this.#entries : this.#files;
    const key = file.slice(file === name ? 0 : file.lastIndexOf('/') + 1);
    const others = files.get(key);
    if (others === undefined) files.set(key, [added]);
    else others.push(added);
    return added;
  }

  /** What was added for the file at a path or URL. */
  of(filename: string): ReadonlyArray<PackageFile<T>> {
    const path = filename.indexOf('\\') === -1 ? filename : filename.replaceAll('\\', '/');
    const found: Array<PackageFile<T>> = [];
    for (const candidate of this.#files.get(path.slice(path.lastIndexOf('/') + 1)) ?? []) {
      const { file, within } = candidate;
      if (!path.endsWith(within)) continue;
      const root = path.slice(0, path.length - within.length);
      const name = file.slice(0, file.length - within.length);
      if (root.endsWith(`${FOLDER}${name}`) || manifestIn(root)?.name === name) found.push(candidate);
    }
    if (this.#entries.size > 0) this.#addEntries(path, found);
    return found;
  }

  #addEntries(path: string, found: Array<PackageFile<T>>): void {
    const at = path.lastIndexOf(FOLDER);
    if (at === -1) return;
    const inside = path.slice(at + FOLDER.length);
    const folder = packageOf(inside);
    const manifest = manifestIn(path.slice(0, at + FOLDER.length) + folder);
    const values = this.#entries.get(manifest?.name ?? folder);
    if (values !== undefined && (manifest?.entries ?? ['index.js']).includes(inside.slice(folder.length + 1))) found.push(...values);
  }
}
