/** `error`: it will not do what it says; `warning`: it probably will not; `note`: worth knowing. */
export type Severity = 'error' | 'warning' | 'note';

/** Where something is; lines and columns begin at 1. */
export interface Place {
  readonly file: string;
  readonly line: number;
  readonly column: number;
}

/** Something that is wrong with manifests. */
export interface Finding extends Place {
  /** Key of the rule in LINT_RULES. */
  readonly rule: string;
  readonly severity: Severity;
  /** What is wrong, and what to do. */
  readonly message: string;
  /** Whose it is: `Ingress demo`. */
  readonly resource?: string;
  /** The name or value that leads nowhere. */
  readonly reference?: string;
  /** The right name that is nearest to it. */
  readonly nearest?: string;
}

/** What a rule finds; its severity is that of the rule unless it says less. */
export type Found = Omit<Finding, 'rule' | 'severity'> & { readonly severity?: Severity };
