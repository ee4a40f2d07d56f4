/**
 * Canary Ingresses of the nginx, ALB and Higress controllers: another Ingress of the same host and path, which takes the
 * requests that its annotations name. A header goes before a cookie, and a cookie before a share; each counts only if the one before
 * decides nothing.
 *
 * Sources: ingress-nginx, docs/user-guide/nginx-configuration/annotations.md; Alibaba Cloud, "Advanced ALB Ingress settings".
 */
import type { EntryRule } from '@lane/core/rules';
import { STAYS } from '../decide/routes.js';

/** Prefixes under which controllers keep the same annotations. */
const PREFIXES = ['nginx.ingress.kubernetes.io/', 'alb.ingress.kubernetes.io/', 'higress.io/', 'mse.ingress.kubernetes.io/'];
const UNDERSTOOD = [
  'canary',
  'canary-by-header',
  'canary-by-header-value',
  'canary-by-header-pattern',
  'canary-by-cookie',
  'canary-weight',
  'canary-weight-total',
];

/** An Ingress's parsed annotations. */
export interface Annotations {
  /** The rules of a canary; undefined: not a canary. */
  readonly canary: readonly EntryRule[] | undefined;
  /** Names of unknown annotations for a controller. */
  readonly ignored: readonly string[];
}

/** Reads the annotations of an Ingress. */
export function readAnnotations(annotations: ReadonlyMap<string, string>): Annotations {
  const values = new Map<string, string>();
  const ignored: string[] = [];
  for (const [name, value] of annotations) {
    const prefix = PREFIXES.find((one) => name.startsWith(one));
    if (prefix === undefined) continue;
    const key = name.slice(prefix.length);
    if (UNDERSTOOD.includes(key)) values.set(key, value);
    else ignored.push(name);
  }
  return { canary: values.get('canary') === 'true' ? canaryRules(values) : undefined, ignored };
}

function canaryRules(values: ReadonlyMap<string, string>): EntryRule[] {
  const rules: EntryRule[] = [];
  const header = values.get('canary-by-header');
  const value = values.get('canary-by-header-value');
  const pattern = values.get('canary-by-header-pattern');
  const cookie = values.get('canary-by-cookie');
  const weight = Number(values.get('canary-weight') ?? 0);
  if (header !== undefined) {
    if (value !== undefined) rules.push({ name: 'header', match: { header, exact: value } });
    else if (pattern !== undefined) rules.push({ name: 'header', match: { header, regex: pattern } });
    else rules.push({ name: 'header', match: { header, exact: 'always' } }, { name: STAYS, match: { header, exact: 'never' } });
  }
  if (cookie !== undefined) rules.push({ name: 'cookie', match: { cookie, exact: 'always' } }, { name: STAYS, match: { cookie, exact: 'never' } });
  const share = (100 * weight) / Number(values.get('canary-weight-total') ?? 100);
  if (share > 0) rules.push({ name: 'weight', percent: Math.min(100, Math.round(share * 100) / 100) });
  return rules;
}
