/** Texts to lint: manifests in YAML or JSON, and files with curl lines, which are the requests that the manifests are meant for. */
import { isMap, isScalar, isSeq, LineCounter, parseAllDocuments, type Document, type Node } from 'yaml';
import type { Found, Place } from './finding.js';

/** A file, read. */
export interface SourceText {
  /** As it is told in findings. */
  readonly file: string;
  readonly text: string;
}

/** Steps from the root of a document to a value. */
export type Path = ReadonlyArray<string | number>;

/** A resource of a manifest, with where its parts are. */
export class Resource {
  readonly file: string;
  readonly kind: string;
  readonly apiVersion: string;
  readonly name: string;
  readonly namespace: string;
  /** The whole of it, as plain values. */
  readonly value: Readonly<Record<string, unknown>>;
  readonly #document: Document;
  readonly #lines: LineCounter;
  readonly #root: Path;

  constructor(file: string, document: Document, lines: LineCounter, root: Path, value: Record<string, unknown>) {
    this.file = file;
    this.value = value;
    this.#document = document;
    this.#lines = lines;
    this.#root = root;
    this.kind = textOf(value['kind']);
    this.apiVersion = textOf(value['apiVersion']);
    const { name, namespace } = (value['metadata'] ?? {}) as Record<string, unknown>;
    this.name = textOf(name);
    this.namespace = textOf(namespace) || 'default';
  }

  /** `Deployment spring-cloud-a`. */
  get title(): string {
    return `${this.kind} ${this.name}`;
  }

  /** The node at a path, or undefined. */
  node(path: Path): Node | undefined {
    return this.#document.getIn([...this.#root, ...path], true) as Node | undefined;
  }

  /** Where the value at a path begins; where there is none, that of the nearest part around it. */
  place(path: Path): Place {
    for (let length = path.length; length >= 0; length--) {
      const range = this.node(path.slice(0, length))?.range;
      if (range === undefined || range === null) continue;
      const { line, col } = this.#lines.linePos(range[0]);
      return { file: this.file, line, column: col };
    }
    return { file: this.file, line: 1, column: 1 };
  }

  /** The scalars below a path, with the paths to them; those of a map or list that is not there: none. */
  *scalars(path: Path): Generator<readonly [path: Path, node: Node]> {
    const node = this.node(path);
    if (isMap(node)) {
      for (const { key } of node.items) yield* this.scalars([...path, isScalar(key) ? String(key.value) : String(key)]);
    } else if (isSeq(node)) {
      for (let i = 0; i < node.items.length; i++) yield* this.scalars([...path, i]);
    } else if (node !== undefined) yield [path, node];
  }
}

/** What was read of a text. */
export interface ReadText {
  readonly resources: readonly Resource[];
  readonly problems: readonly Found[];
}

/** Reads the resources of a manifest: all documents of it, lists taken apart. */
export function readManifest({ file, text }: SourceText): ReadText {
  if (/\{\{[-\s]*[.$\w]/.test(text)) {
    return {
      resources: [],
      problems: [{ file, line: 1, column: 1, message: 'this is a template and was left out: lint what it renders to (helm template)' }],
    };
  }
  const lines = new LineCounter();
  const resources: Resource[] = [];
  const problems: Found[] = [];
  for (const document of parseAllDocuments(text, { lineCounter: lines })) {
    if (!('errors' in document)) continue;
    for (const error of document.errors) {
      const { line, col } = lines.linePos(error.pos[0]);
      problems.push({ file, line, column: col, message: `this is no YAML: ${error.message.split('\n')[0]}` });
    }
    if (document.errors.length > 0) continue;
    collect(document, [], document.toJS() as unknown);
  }
  return { resources, problems };

  function collect(document: Document, path: Path, value: unknown): void {
    if (value === null || typeof value !== 'object') return;
    const resource = value as Record<string, unknown>;
    if (typeof resource['kind'] !== 'string' || typeof resource['apiVersion'] !== 'string') return;
    const { items } = resource;
    if (resource['kind'].endsWith('List') && Array.isArray(items)) items.forEach((item, i) => collect(document, [...path, 'items', i], item));
    else resources.push(new Resource(file, document, lines, path, resource));
  }
}

/** A request that a text says will be sent. */
export interface StatedRequest extends Place {
  readonly host: string;
}

/** The requests with a Host header in the curl lines of a text, be it a script, a document, or a comment. */
export function readRequests({ file, text }: SourceText): StatedRequest[] {
  const requests: StatedRequest[] = [];
  text.split('\n').forEach((content, index) => {
    if (!/\bcurl\b/.test(content)) return;
    for (const match of content.matchAll(/(?:-H|--header)[\s=]*["']?host:\s*([A-Za-z0-9.*-]+)/gi)) {
      const host = match[1] as string;
      requests.push({ file, line: index + 1, column: match.index + match[0].length - host.length + 1, host: host.toLowerCase() });
    }
  });
  return requests;
}

function textOf(value: unknown): string {
  return typeof value === 'string' ? value : typeof value === 'number' ? String(value) : '';
}
