import { isScalar, Scalar } from 'yaml';
import type { LintRule } from '../finding.js';
import type { Resource, Path } from '../source-text.js';

/** Plain scalars that are no text to YAML 1.1, which the tools of Kubernetes go by (https://yaml.org/type/bool.html). */
const BOOLEAN = /^(?:y|yes|n|no|true|false|on|off)$/i;
const NUMBER = /^[-+]?(?:0x[\da-f]+|0o?[0-7]+|\d[\d_]*(?:\.\d*)?(?:e[-+]?\d+)?|\.\d+|\.inf|\.nan)$/i;
const NULL = /^(?:null|~|)$/i;

const ALWAYS: readonly Path[] = [
  ['metadata', 'labels'],
  ['metadata', 'annotations'],
];
const TEMPLATES: readonly Path[] = [['spec', 'template'], ['spec', 'jobTemplate', 'spec', 'template'], []];

/** Where Kubernetes takes texts only. */
function* textPaths(resource: Resource): Generator<Path> {
  yield* ALWAYS;
  if (resource.kind === 'ConfigMap') yield ['data'];
  if (resource.kind === 'Service') yield ['spec', 'selector'];
  yield ['spec', 'selector', 'matchLabels'];
  for (const template of TEMPLATES) {
    if (template.length > 0) for (const path of ALWAYS) yield [...template, ...path];
    yield [...template, 'spec', 'nodeSelector'];
    for (const list of ['initContainers', 'containers']) {
      const path = [...template, 'spec', list];
      const { length } = (resource.node(path) as { items?: unknown[] } | undefined)?.items ?? [];
      for (let i = 0; i < (length ?? 0); i++) {
        const variables = ((resource.node([...path, i, 'env']) as { items?: unknown[] } | undefined)?.items ?? []).length;
        for (let j = 0; j < variables; j++) yield [...path, i, 'env', j, 'value'];
      }
    }
  }
}

/** A label, annotation or variable whose value is a boolean or a number to Kubernetes, which refuses it. */
export const valueQuotes: LintRule = {
  severity: 'error',
  about: 'A value that has to be text is a boolean, a number or nothing to YAML, and is refused by Kubernetes.',
  *find({ resources }) {
    for (const resource of resources) {
      for (const path of textPaths(resource)) {
        for (const [place, node] of resource.scalars(path)) {
          if (!isScalar(node) || node.type !== Scalar.PLAIN) continue;
          const source = node.source ?? '';
          const what = BOOLEAN.test(source) ? 'a boolean' : NUMBER.test(source) ? 'a number' : NULL.test(source) ? 'no value' : undefined;
          if (what === undefined || (what === 'no value' && place.includes('env'))) continue;
          const name = place.at(-1) === 'value' ? String(nameOf(resource, place)) : String(place.at(-1));
          yield {
            ...resource.place(place),
            resource: resource.title,
            reference: source,
            message: `${name} has to be text, and ${source === '' ? 'nothing' : source} is ${what}: write "${source}"`,
          };
        }
      }
    }
  },
};

function nameOf(resource: Resource, place: Path): unknown {
  const name = resource.node([...place.slice(0, -1), 'name']);
  return isScalar(name) ? name.value : place.at(-1);
}
