/** Texts to lint: manifests in YAML or JSON, and files with curl lines, the requests that the manifests should serve. */
import { isMap, isScalar, isSeq, LineCounter, parseAllDocuments, visit, type Document, type Node } from 'yaml';
import type { Found, Place } from './finding.js';

/** A file, read. */
export interface SourceText {
  /** As findings name it. */
  readonly file: string;
  readonly text: string;
}

/** Steps from the root of a document to a value. */
export type Path = ReadonlyArray<string | number>;

/** A resource of a manifest, with the places of its parts. */
export class Resource {
  readonly file: string;
  readonly kind: string;
  readonly apiVersion: string;
  readonly name: string;
  /** undefined: whoever applies it chooses. */
  readonly namespace: string | undefined;
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
    this.namespace = textOf(namespace) || undefined;
  }

  /** `Deployment spring-cloud-a`. */
  get title(): string {
    return `${this.kind} ${this.name}`;
  }

  /** The node at a path, or undefined. */
  node(path: Path): Node | undefined {
    return this.#document.getIn([...this.#root, ...path], true) as Node | undefined;
  }

  /** Where the value at a path begins; if there is no such value, where the nearest enclosing part begins. */
  place(path: Path): Place {
    for (let length = path.length; length >= 0; length--) {
      const range = this.node(path.slice(0, length))?.range;
      if (range === undefined || range === null) continue;
      const { line, col } = this.#lines.linePos(range[0]);
      return { file: this.file, line, column: col };
    }
    return { file: this.file, line: 1, column: 1 };
  }

  /** The parts of a map or list, with their paths; none for other nodes. */
  *parts(path: Path): Generator<readonly [path: Path, node: Node | undefined]> {
    const node = this.node(path);
    if (isMap(node)) {
      for (const { key, value } of node.items) yield [[...path, isScalar(key) ? String(key.value) : String(key)], value as Node | undefined];
    } else if (isSeq(node)) {
      for (const [i, item] of node.items.entries()) yield [[...path, i], item as Node];
    }
  }
}

/** The result of reading a text. */
export interface ReadText {
  readonly resources: readonly Resource[];
  /** Documents of lane groups. */
  readonly laneGroups: readonly Resource[];
  /** Why it, or a document in it, could not be read. */
  readonly problems: readonly Found[];
  /** Whether it is a template, which must be rendered first: it is not read then. */
  readonly isTemplate: boolean;
}

/** Where a placeholder of a template engine begins: Go (Helm) and Jinja. */
const PLACEHOLDER = /\{[{%]/;
/** A Helm placeholder within a text; others (`{{item}}` of Argo) are filled in by the program that reads the manifest. */
const HELM_PLACEHOLDER = /\{\{-?\s*(?:[.$(]|(?:include|template|tpl|toYaml|default|printf|quote)\b)/;

/** Reads the resources of a manifest: all its documents, with lists flattened. Other YAML and JSON files have none. */
export function readManifest({ file, text }: SourceText): ReadText {
  const lines = new LineCounter();
  // Kubernetes' tools support `<<`, which YAML 1.2 has dropped.
  const documents = [...parseAllDocuments(text, { lineCounter: lines, merge: true })].filter((document) => 'errors' in document);
  const isManifest = isMeantAsManifest(text);
  if (PLACEHOLDER.test(text) && documents.some(isTemplate)) return { resources: [], laneGroups: [], problems: [], isTemplate: isManifest };
  const resources: Resource[] = [];
  const laneGroups: Resource[] = [];
  const problems: Found[] = [];
  for (const document of documents) {
    const [error] = document.errors;
    if (error !== undefined) {
      const { line, col } = lines.linePos(error.pos[0]);
      const [what = ''] = error.message.split(/ at line \d|\n/);
      if (isManifest) problems.push({ file, line, column: col, message: `this can't be read as YAML: ${what}` });
      continue;
    }
    collect(document, [], document.toJS({ maxAliasCount: -1 }) as unknown);
  }
  return { resources, laneGroups, problems, isTemplate: false };

  function collect(document: Document, path: Path, value: unknown): void {
    if (value === null || typeof value !== 'object') return;
    const resource = value as Record<string, unknown>;
    if (isLaneGroups(value)) laneGroups.push(new Resource(file, document, lines, path, resource));
    if (typeof resource['kind'] !== 'string' || typeof resource['apiVersion'] !== 'string') return;
    const { items } = resource;
    if (resource['kind'].endsWith('List') && Array.isArray(items)) items.forEach((item, i) => collect(document, [...path, 'items', i], item));
    else resources.push(new Resource(file, document, lines, path, resource));
  }
}

/** A text whose placeholders are outside of quotes and block scalars. Those inside belong to another program, which fills them in later. */
function isTemplate(document: Document): boolean {
  if (document.errors.length > 0) return true;
  let found = false;
  visit(document, {
    // To YAML, `{{ .Values.name }}` is a map in a map.
    Pair: (_, { key }) => {
      if (!isMap(key)) return undefined;
      found = true;
      return visit.BREAK;
    },
    Scalar: (_, { type, source }) => {
      if (type !== 'PLAIN' || source === undefined || !HELM_PLACEHOLDER.test(source)) return undefined;
      found = true;
      return visit.BREAK;
    },
  });
  return found;
}

/** A folder may have other YAML and JSON, too, which we skip. */
function isMeantAsManifest(text: string): boolean {
  return /^\s*(?:- )?"?apiVersion"?\s*:/m.test(text) && /^\s*(?:- )?"?kind"?\s*:/m.test(text);
}

/** Whether a document is meant as lane groups: other files have `version` or `groups`, too. */
export function isLaneGroups(value: unknown): value is Record<string, unknown> {
  if (value === null || typeof value !== 'object' || 'kind' in value || !('version' in value) || !('groups' in value)) return false;
  const { groups } = value;
  return Array.isArray(groups) && groups.some((group) => group !== null && typeof group === 'object' && 'services' in group && 'lanes' in group);
}

/** The "file" of requests that were named on the command line. */
export const REQUEST_OPTION = '--request';

/** A request that a text says will be sent. */
export interface StatedRequest extends Place {
  readonly host: string;
}

/** The requests with a Host header in the curl commands of a text: a script, a document, or a comment. */
export function readRequests({ file, text }: SourceText): StatedRequest[] {
  const requests: StatedRequest[] = [];
  let isCurl = false;
  text.split('\n').forEach((content, index) => {
    const isContinued = /\\\s*$/.test(content);
    isCurl ||= /\bcurl\b/.test(content);
    if (isCurl) {
      for (const match of content.matchAll(/(?:-H|--header)[\s=]*["']?host:\s*([A-Za-z0-9.*-]+)/gi)) {
        const host = match[1] as string;
        requests.push({ file, line: index + 1, column: match.index + match[0].length - host.length + 1, host: host.toLowerCase() });
      }
    }
    isCurl &&= isContinued;
  });
  return requests;
}

function textOf(value: unknown): string {
  return typeof value === 'string' ? value : typeof value === 'number' ? String(value) : '';
}
