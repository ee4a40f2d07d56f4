/** Writes YAML with a library, for any texts. */

type Yaml = typeof import('yaml');

/**
 * Documents that mean the same in YAML 1.1, which Envoy, Spring and Kubernetes use: there `no`, `y` and `12:30` are not strings. The
 * library is loaded at the first use: the command's help does not need it.
 */
export function toYaml(...documents: readonly object[]): string {
  const { stringify } = require('yaml') as Yaml;
  return documents.map((document) => stringify(document, { lineWidth: 0, aliasDuplicateObjects: false, compat: 'yaml-1.1' })).join('---\n');
}
