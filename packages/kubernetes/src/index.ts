export { INJECT_DEFAULTS, injectPod, type Injection, type InjectOptions } from './injector/inject-pod.js';
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
export type { Pod } from './pod.js';
