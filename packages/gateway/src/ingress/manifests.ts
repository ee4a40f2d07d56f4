/** Kubernetes manifests in files: several documents each, lists of objects, and positions. */
import { LineCounter, parseAllDocuments, type Document } from 'yaml';

/** A file of manifests. */
export interface ManifestFile {
  readonly name: string;
  readonly text: string;
}

type Path = ReadonlyArray<string | number>;

/** One object of a manifest. */
export interface KubernetesObject {
  readonly kind: string;
  readonly apiVersion: string;
  readonly name: string;
  readonly namespace: string;
  readonly file: string;
  /** The value at a path; undefined if there is none. */
  get(...path: Path): unknown;
  /** Text at a path, numbers and booleans as written; undefined if there is none. */
  text(...path: Path): string | undefined;
  /** The strings of a map at a path, such as labels. */
  map(...path: Path): ReadonlyMap<string, string>;
  /** How many items a list at a path has. */
  count(...path: Path): number;
  /** The line, from 1, of a path, or of its nearest existing parent. */
  line(...path: Path): number;
}

/** A problem in a file. */
export interface ManifestProblem {
  /** `error`: some requests can't be served; `warning`: they are served, but perhaps not as meant; `note`: something is ignored. */
  readonly severity: 'error' | 'warning' | 'note';
  readonly file: string;
  readonly line: number;
  readonly message: string;
}

/** Reads all objects of some files, in their order. */
export function readManifests(files: readonly ManifestFile[]): { objects: KubernetesObject[]; problems: ManifestProblem[] } {
  const objects: KubernetesObject[] = [];
  const problems: ManifestProblem[] = [];
  for (const { name: file, text } of files) {
    const lines = new LineCounter();
    for (const document of parseAllDocuments(text, { lineCounter: lines, prettyErrors: false }) as Document[]) {
      const [error] = document.errors;
      if (error !== undefined) {
        problems.push({ severity: 'error', file, line: lines.linePos(error.pos[0]).line, message: `is not YAML: ${error.message}` });
        continue;
      }
      try {
        document.toJS();
      } catch (bomb) {
        // Aliases of aliases: yaml gives up before they fill the memory.
        problems.push({ severity: 'error', file, line: 1, message: `can't be read: ${(bomb as Error).message}; write it without aliases (*)` });
        continue;
      }
      const kind = document.getIn(['kind']);
      if (typeof kind !== 'string') continue;
      const items = kind.endsWith('List') ? (document.toJS() as { items?: unknown }).items : undefined;
      if (items === undefined) objects.push(objectAt(document, lines, file, []));
      else if (Array.isArray(items)) items.forEach((_item, i) => objects.push(objectAt(document, lines, file, ['items', i])));
      else problems.push({ severity: 'error', file, line: 1, message: `is not valid: the items of a ${kind} must be a list` });
    }
  }
  return { objects, problems };
}

function objectAt(document: Document, lines: LineCounter, file: string, root: Path): KubernetesObject {
  const value = document.toJS() as unknown;
  const get = (...path: Path): unknown => {
    let at: unknown = value;
    for (const key of [...root, ...path]) {
      if (typeof at !== 'object' || at === null) return undefined;
      at = (at as Record<string | number, unknown>)[key];
    }
    return at ?? undefined;
  };
  const text = (...path: Path): string | undefined => textOf(get(...path));
  return {
    kind: text('kind') ?? '',
    apiVersion: text('apiVersion') ?? '',
    name: text('metadata', 'name') ?? '',
    namespace: text('metadata', 'namespace') ?? 'default',
    file,
    get,
    text,
    map: (...path) => {
      const found = get(...path);
      const map = new Map<string, string>();
      if (typeof found !== 'object' || found === null) return map;
      for (const [key, item] of Object.entries(found)) {
        const string = textOf(item);
        if (string !== undefined) map.set(key, string);
      }
      return map;
    },
    count: (...path) => {
      const found = get(...path);
      return Array.isArray(found) ? found.length : 0;
    },
    line: (...path) => {
      for (let length = path.length; length >= 0; length--) {
        const node = document.getIn([...root, ...path.slice(0, length)], true) as { range?: [number, number, number] } | undefined;
        if (node?.range !== undefined) return lines.linePos(node.range[0]).line;
      }
      return 1;
    },
  };
}

function textOf(value: unknown): string | undefined {
  return typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean' ? String(value) : undefined;
}
