import type { Finding, Severity } from './finding.js';
import { LINT_RULES } from './lint.js';

const LEVELS: Readonly<Record<Severity, string>> = { error: 'error', warning: 'warning', note: 'note' };

/** Findings in SARIF 2.1.0, as code scanning takes them (https://docs.oasis-open.org/sarif/sarif/v2.1.0/). */
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
            rules: rules.map(([id, { severity, about }]) => ({
              id,
              shortDescription: { text: about },
              defaultConfiguration: { level: LEVELS[severity] },
            })),
          },
        },
        results: findings.map(({ rule, severity, message, file, line, column }) => ({
          ruleId: rule,
          ruleIndex: rules.findIndex(([id]) => id === rule),
          level: LEVELS[severity],
          message: { text: message },
          locations: [{ physicalLocation: { artifactLocation: { uri: uriOf(file) }, region: { startLine: line, startColumn: column } } }],
        })),
      },
    ],
  };
}

/** A relative URI reference, or one of the whole path. */
function uriOf(file: string): string {
  const path = file.replaceAll('\\', '/').split('/').map(encodeURIComponent).join('/');
  return path.startsWith('/') ? `file://${path}` : path;
}
