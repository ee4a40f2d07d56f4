import type { Found, Severity } from './finding.js';
import type { Manifests } from './manifests.js';

/** A rule. */
export interface LintRule {
  readonly severity: Severity;
  /** One sentence: what is wrong where it finds something. */
  readonly about: string;
  readonly find: (manifests: Manifests) => Iterable<Found>;
}
