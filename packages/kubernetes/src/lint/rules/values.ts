import { isMap, isScalar, isSeq, Scalar, type Node } from 'yaml';
import type { LintRule } from '../lint-rule.js';
import type { Path, Resource } from '../source-text.js';

/**
 * Plain scalars that Kubernetes' tools do not read as strings. They read YAML 1.1 as go-yaml 2 does: `on` and `y` are booleans, `yEs` and
 * `1:30` are not. `test/interop/kubernetes` verifies this with kubectl.
 */
const BOOLEAN = /^(?:y|Y|yes|Yes|YES|true|True|TRUE|on|On|ON|n|N|no|No|NO|false|False|FALSE|off|Off|OFF)$/;
const NUMBER =
  /^[-+]?(?:0[xX][\da-fA-F][\da-fA-F_]*|0o?[0-7][0-7_]*|0b[01][01_]*|\d[\d_]*(?:\.[\d_]*)?(?:[eE][-+]?\d+)?|\.\d[\d_]*(?:[eE][-+]?\d+)?|\.(?:inf|Inf|INF))$|^\.(?:nan|NaN|NAN)$/;

/** Maps of strings in Kubernetes' own kinds. */
const TEXT_MAPS = new Set(['labels', 'annotations', 'matchLabels', 'nodeSelector', 'stringData', 'binaryData']);
/** Lists of strings. */
const TEXT_LISTS = new Set(['command', 'args']);
/** In other kinds, fields of these names can be something else. */
const OWN_GROUPS =
  /^(?:v1|apps\/.*|batch\/.*|autoscaling\/.*|policy\/.*|extensions\/.*|(?:networking|rbac\.authorization|storage|scheduling)\.k8s\.io\/.*)$/;

/** The type of a plain scalar to Kubernetes' tools, unless it is a string; they read null and nothing as an empty string. */
export function notText(source: string): 'a boolean' | 'a number' | undefined {
  if (BOOLEAN.test(source)) return 'a boolean';
  return NUMBER.test(source) ? 'a number' : undefined;
}

/** Where Kubernetes accepts only strings. */
function* texts(resource: Resource): Generator<readonly [path: Path, node: Node | undefined]> {
  if (OWN_GROUPS.test(resource.apiVersion)) {
    yield* textsBelow([]);
    return;
  }
  yield* resource.parts(['metadata', 'labels']);
  yield* resource.parts(['metadata', 'annotations']);

  function* textsBelow(path: Path): Generator<readonly [path: Path, node: Node | undefined]> {
    const name = path.at(-1);
    const isMapOfTexts =
      TEXT_MAPS.has(String(name)) ||
      (path.length === 1 && name === 'data' && ['ConfigMap', 'Secret'].includes(resource.kind)) ||
      (path.length === 2 && name === 'selector' && ['Service', 'ReplicationController'].includes(resource.kind));
    for (const part of resource.parts(path)) {
      const [partPath, node] = part;
      if (isMap(node) || isSeq(node)) yield* textsBelow(partPath);
      else if (isMapOfTexts || TEXT_LISTS.has(String(name)) || (partPath.at(-1) === 'value' && partPath.at(-3) === 'env')) yield part;
    }
  }
}

/** A label, annotation, variable or argument that Kubernetes reads as a boolean or a number, and rejects. */
export const valueQuotes: LintRule = {
  severity: 'error',
  about: 'YAML reads a value as a boolean or a number where Kubernetes requires a string.',
  *find({ resources }) {
    for (const resource of resources) {
      for (const [path, node] of texts(resource)) {
        if (!isScalar(node) || node.type !== Scalar.PLAIN) continue;
        const source = node.source ?? '';
        const what = notText(source);
        if (what === undefined) continue;
        yield {
          ...resource.place(path),
          resource: resource.title,
          reference: source,
          nearest: `"${source}"`,
          message: `${nameOf(resource, path)} must be a string, and ${source} is ${what}: write "${source}"`,
        };
      }
    }
  },
};

/** A variable by its name, an argument by its list, anything else by its key. */
function nameOf(resource: Resource, path: Path): string {
  const last = path.at(-1);
  if (typeof last === 'number') return `each of ${path.at(-2)}`;
  const name = last === 'value' ? resource.node([...path.slice(0, -1), 'name']) : undefined;
  return isScalar(name) ? String(name.value) : String(last);
}
