import type { Finding } from './finding.js';
import { LINT_RULES } from './lint.js';
import { REQUEST_OPTION } from './source-text.js';

/** Findings in SARIF 2.1.0, the format for code scanning (https://docs.oasis-open.org/sarif/sarif/v2.1.0/). */
export function toSarif(findings: readonly Finding[], version: string): object {
  const rules = Object.entries(LINT_RULES);
  return {
    $schema: 'https://json.schemastore.org/sarif-2.1.0.json',
    version: '2.1.0',
    runs: [
      {
        tool: {
          driver: {
            name: 'lane lint',
            version,
            rules: rules.map(([id, { severity, about }]) => ({ id, shortDescription: { text: about }, defaultConfiguration: { level: severity } })),
          },
        },
        columnKind: 'utf16CodeUnits',
        results: findings.map((finding) => ({
          ruleId: finding.rule,
          ruleIndex: rules.findIndex(([id]) => id === finding.rule),
          level: finding.severity,
          message: { text: finding.message },
          locations: locationsOf(finding),
          properties: { reference: finding.reference, nearest: finding.nearest },
        })),
      },
    ],
  };
}

/** None for requests from the command line. */
function locationsOf({ file, line, column, resource }: Finding): object[] {
  if (file === REQUEST_OPTION) return [];
  return [
    {
      physicalLocation: { artifactLocation: { uri: uriOf(file) }, region: { startLine: line, startColumn: column } },
      ...(resource === undefined ? {} : { logicalLocations: [{ fullyQualifiedName: resource, kind: 'resource' }] }),
    },
  ];
}

/** A relative URI reference, or one of the whole path. */
function uriOf(file: string): string {
  const path = file.replaceAll('\\', '/').split('/').map(encodeURIComponent).join('/');
  return path.startsWith('/') ? `file://${path}` : path;
}
