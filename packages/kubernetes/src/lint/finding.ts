/** `error`: it will not work as written; `warning`: it probably will not; `note`: worth knowing. */
export type Severity = 'error' | 'warning' | 'note';

/** A place in a file; lines and columns begin at 1. */
export interface Place {
  readonly file: string;
  readonly line: number;
  readonly column: number;
}

/** A problem in manifests. */
export interface Finding extends Place {
  /** Key of the rule in LINT_RULES. */
  readonly rule: string;
  readonly severity: Severity;
  /** What is wrong, and what to do. */
  readonly message: string;
  /** The resource that has the problem: `Ingress demo`. */
  readonly resource?: string;
  /** The wrong name or value. */
  readonly reference?: string;
  /** The most similar correct name. */
  readonly nearest?: string;
}

/** A finding of a rule; it has the severity of the rule unless it sets a lower one. */
export type Found = Omit<Finding, 'rule' | 'severity'> & { readonly severity?: Severity };
