/** YAML by a library, whatever is in the texts. */

type Yaml = typeof import('yaml');

/**
 * Some documents, read as the same by YAML 1.1, which Envoy, Spring and Kubernetes go by: there `no`, `y` and `12:30` are no texts. The
 * library is loaded at the first one: the command's help does not need it.
 */
export function toYaml(...documents: readonly object[]): string {
  const { stringify } = require('yaml') as Yaml;
  return documents.map((document) => stringify(document, { lineWidth: 0, aliasDuplicateObjects: false, compat: 'yaml-1.1' })).join('---\n');
}
