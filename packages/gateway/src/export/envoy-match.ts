/** Comparisons for Envoy, and thus Istio and Higress: header matchers whose regular expressions match the whole value. */
import { compileRegex } from '@lane/core/rules';
import { encodedText, escapeRegex, wholeRegex, type Comparison, type Leaf } from './condition.js';
import type { Plan, PlannedRule } from './plan.js';

/** A comparison of a header's whole value. */
export interface HeaderTest {
  readonly name: string;
  /** undefined: presence. */
  readonly match: { readonly exact: string } | { readonly prefix: string } | { readonly suffix: string } | { readonly regex: string } | undefined;
  readonly negated: boolean;
}

/** A comparison as a header matcher; a string: why that is impossible. */
export function headerTest({ subject, comparison, negated }: Leaf): HeaderTest | string {
  const of = (name: string, regex: string): HeaderTest => ({ name, match: { regex }, negated });
  switch (subject.kind) {
    case 'clientIp':
      return 'clients’ addresses can’t be matched in a route';
    case 'header':
      if (comparison.op === 'regex' && negated && compileRegex(comparison.value)(''))
        return 'a negated regular expression that matches nothing at all';
      if (comparison.op === 'present') return { name: subject.name, match: undefined, negated };
      if (comparison.op === 'exact') return { name: subject.name, match: { exact: comparison.value }, negated };
      if (comparison.op === 'prefix') return { name: subject.name, match: { prefix: comparison.value }, negated };
      if (comparison.op === 'suffix') return { name: subject.name, match: { suffix: comparison.value }, negated };
      return of(subject.name, wholeRegex(comparison));
    case 'method':
      return of(':method', comparison.op === 'present' ? '.*' : `(?i)${wholeRegex(comparison)}`);
    case 'host': {
      if (comparison.op === 'present') return of(':authority', '.+');
      const inner = inside(comparison, '[^:]', escapeRegex);
      return inner === undefined ? 'a regular expression of this form on the host' : of(':authority', `(?i)${inner}(?::\\d+)?`);
    }
    case 'path': {
      if (comparison.op === 'present') return of(':path', '.*');
      const inner = inside(comparison, '[^?]', escapeRegex);
      return inner === undefined ? 'a regular expression of this form on the path' : of(':path', `${inner}(?:\\?.*)?`);
    }
    case 'cookie': {
      const key = encodedText('cookie')(subject.name);
      const inner = comparison.op === 'present' ? '[^;"]*' : inside(comparison, '[^;"]', encodedText('cookie'));
      return inner === undefined
        ? 'a regular expression of this form on a cookie'
        : of('cookie', `(?:.*;)?[ \\t]*${key}[ \\t]*=[ \\t]*"?${inner}"?[ \\t]*(?:;.*)?`);
    }
    case 'query': {
      const key = encodedText('query')(subject.name);
      if (comparison.op === 'present') return of(':path', `[^?]*\\?(?:.*&)?${key}(?:=[^&]*)?(?:&.*)?`);
      const inner = inside(comparison, '[^&]', encodedText('query'));
      return inner === undefined ? 'a regular expression of this form on the query' : of(':path', `[^?]*\\?(?:.*&)?${key}=${inner}(?:&.*)?`);
    }
  }
}

/** A comparison of a part of a value, whose characters are of `kind`; undefined for regular expressions whose anchors have no meaning there. */
function inside(comparison: Exclude<Comparison, { op: 'present' }>, kind: string, textOf: (text: string) => string): string | undefined {
  switch (comparison.op) {
    case 'exact':
    case 'in':
      return wholeRegex(comparison, textOf);
    case 'prefix':
      return `${textOf(comparison.value)}${kind}*`;
    case 'suffix':
      return `${kind}*${textOf(comparison.value)}`;
    case 'regex': {
      const body = comparison.value.replace(/^\^/, '').replace(/(?<!\\)\$$/, '');
      // An anchor further inside, or alternatives of which only one is anchored.
      if (/(?<!\\|\[)\^|(?<!\\)\$|\\[bBAzZ]/.test(body) || (body !== comparison.value && body.includes('|'))) return undefined;
      const before = comparison.value.startsWith('^') ? '' : `${kind}*`;
      const after = body.length + (comparison.value.startsWith('^') ? 1 : 0) < comparison.value.length ? '' : `${kind}*`;
      return `${before}(?:${body})${after}`;
    }
  }
}

/** Reports the difference: the regular expressions can't require that nothing of the same name comes before. */
export function noteTwice(plan: Plan, rule: PlannedRule, leaves: readonly Leaf[], kinds: ReadonlyArray<'cookie' | 'query'>): void {
  for (const { subject } of leaves)
    if ((subject.kind === 'cookie' || subject.kind === 'query') && kinds.includes(subject.kind))
      plan.note(`any value of the ${subject.kind} ${subject.name} counts, not only the first`, rule);
}
