import type { Found, Severity } from './finding.js';
import type { Manifests } from './manifests.js';

/** A rule. */
export interface LintRule {
  readonly severity: Severity;
  /** One sentence: the problem that it finds. */
  readonly about: string;
  readonly find: (manifests: Manifests) => Iterable<Found>;
}
