export {
  lint,
  LINT_RULES,
  toSarif,
  type Finding,
  type LintOptions,
  type LintReport,
  type LintRule,
  type Severity,
  type SourceText,
} from './lint/index.js';
