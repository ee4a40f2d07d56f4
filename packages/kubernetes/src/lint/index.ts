export { lint, LINT_RULES, type LintOptions, type LintReport } from './lint.js';
export { toSarif } from './sarif.js';
export type { Finding, Severity } from './finding.js';
export type { LintRule } from './lint-rule.js';
export type { SourceText } from './source-text.js';
