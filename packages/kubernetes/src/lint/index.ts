export { lint, LINT_RULES, type LintOptions, type LintReport } from './lint.js';
export { toSarif } from './sarif.js';
export type { Finding, LintRule, Severity } from './finding.js';
export type { SourceText } from './source-text.js';
