/** Entry rules as variables of nginx: a comparison is a `map`, nesting is a map over maps, a share is `split_clients`. */
import { encodedText, escapeRegex, searchedRegex, type Comparison, type Condition, type Leaf } from './condition.js';
import { isWord, quote, type Variables } from './nginx-syntax.js';
import type { Plan, PlannedRoute, PlannedRule } from './plan.js';

type Valued = Exclude<Comparison, { op: 'present' }>;

/** How many variables are concatenated: with more, the word would be too long for nginx. */
const MAX_TOGETHER = 100;

/** A variable with the tag that a route's rules choose; `route.tag` if none matches. */
export function laneVariable(plan: Plan, variables: Variables, route: PlannedRoute): string {
  const id = JSON.stringify(['lane', route.rules.map(({ name }) => name), route.tag]);
  return variables.once(id, () => {
    const tried = route.rules.flatMap((rule) => {
      const variable = ruleVariable(plan, variables, rule);
      return variable === undefined ? [] : [{ rule, variable }];
    });
    const parts = chunks(tried);
    let lane = parts.length === 0 ? variables.define('map', '""', [`default ${quote(route.tag ?? '')}`], 'lane_tag') : '';
    for (const [i, part] of [...parts.entries()].reverse()) {
      const rest = i === parts.length - 1 ? quote(route.tag ?? '') : lane;
      const lines = part.map(({ rule }, at) => `"~^${at === 0 ? '' : `0{${at}}`}1" ${quote(rule.tag)}`);
      lane = variables.define('map', `"${part.map(({ variable }) => variable).join('')}"`, [`default ${rest}`, ...lines], 'lane_tag');
    }
    return lane;
  });
}

/** A variable that is 1 if the rule matches; undefined: it never does, or can't be expressed, which is reported. */
function ruleVariable(plan: Plan, variables: Variables, rule: PlannedRule): string | undefined {
  if (rule.percent === 0) return undefined;
  const matched = rule.condition === undefined ? undefined : condition(plan, variables, rule, rule.condition);
  if (rule.condition !== undefined && matched === undefined) return undefined;
  const within = share(plan, variables, rule);
  if (rule.percent !== undefined && within === undefined) return undefined;
  const both = [matched, within].filter((one) => one !== undefined);
  if (both.length === 0) return '1';
  return both.length === 1 ? both[0] : variables.define('map', `"${both.join('')}"`, ['default 0', '"11" 1']);
}

function condition(plan: Plan, variables: Variables, rule: PlannedRule, one: Condition): string | undefined {
  if (one.kind === 'leaf') return leaf(plan, variables, rule, one);
  const parts: string[] = [];
  for (const part of one.of) {
    const variable = condition(plan, variables, rule, part);
    if (variable === undefined) return undefined;
    parts.push(variable);
  }
  const lines = one.kind === 'all' ? ['default 0', '"~^1+$" 1'] : ['default 0', '"~1" 1'];
  return combine(variables, parts, lines);
}

function combine(variables: Variables, parts: readonly string[], lines: readonly string[]): string {
  if (parts.length <= MAX_TOGETHER) return variables.define('map', `"${parts.join('')}"`, lines);
  const combined = chunks(parts).map((some) => variables.define('map', `"${some.join('')}"`, lines));
  return combine(variables, combined, lines);
}

function chunks<T>(items: readonly T[]): T[][] {
  return Array.from({ length: Math.ceil(items.length / MAX_TOGETHER) }, (_, i) => items.slice(i * MAX_TOGETHER, (i + 1) * MAX_TOGETHER));
}

function leaf(plan: Plan, variables: Variables, rule: PlannedRule, { subject, comparison, negated }: Leaf): string | undefined {
  const [no, yes] = negated ? ['1', '0'] : ['0', '1'];
  const leaveOut = (why: string): undefined => plan.gap(`${why}; the rule is left out`, rule) as undefined;
  const isThere = (source: string): string => variables.define('map', source, [`default ${yes}`, `"" ${no}`]);
  /** 1 if one of the patterns matches; `flag` is the prefix of a pattern. */
  const find = (source: string, flag: string, patterns: readonly string[]): string | undefined =>
    patterns.every((pattern) => isWord(`${flag}${pattern}`))
      ? variables.define('map', source, [`default ${no}`, ...patterns.map((pattern) => `${quote(`${flag}${pattern}`)} ${yes}`)])
      : leaveOut('a value is longer than nginx reads');
  if (comparison.op === 'regex') {
    if (comparison.onlyRe2 !== undefined) return leaveOut(`a regular expression with ${comparison.onlyRe2}, which nginx reads differently`);
    plan.note('nginx matches regular expressions by backtracking (PCRE): some take time out of proportion to the value’s length', rule);
  }
  switch (subject.kind) {
    case 'clientIp':
      if (comparison.op !== 'in') return undefined;
      return variables.define('geo', '', [`default ${no}`, ...[...new Set(comparison.values)].map((network) => `${network} ${yes}`)]);
    case 'header': {
      const isEmpty = (comparison.op === 'exact' && comparison.value === '') || (comparison.op === 'in' && comparison.values.includes(''));
      if (isEmpty) return leaveOut(`header ${subject.name}: an empty header and none are the same to nginx`);
      const source = headerVariable(subject.name);
      if (source === undefined) return leaveOut(noVariable(subject.name));
      return comparison.op === 'present' ? isThere(source) : find(source, '~', patternsOf(comparison));
    }
    case 'cookie':
    case 'query': {
      const source = named(variables, subject.kind, subject.name);
      if (source === undefined) return leaveOut(`the name of a ${subject.kind} is longer than nginx reads`);
      if (comparison.op === 'present') return isThere(source);
      const text = encodedText(subject.kind);
      if (comparison.op === 'regex') {
        plan.note(`the ${subject.kind} ${subject.name} is compared as it is sent, percent-encoding included`, rule);
        if (!isWord(`~${comparison.value}`)) return leaveOut('a value is longer than nginx reads');
        const captured = variables.once(`value of ${source}`, () => variables.capture());
        const value = variables.define('map', source, ['default ""', `"~^=(?<${captured}>.*)$" $${captured}`]);
        const here = variables.define('map', value, ['default 0', `${quote(`~${comparison.value}`)} 1`]);
        const there = variables.define('map', source, ['default 1', '"" 0']);
        return variables.define('map', `"${here}${there}"`, [`default ${no}`, `"11" ${yes}`]);
      }
      // The leading `=` tells an empty value from an absent one.
      if (comparison.op === 'suffix') return find(source, '~', [`^=.*${text(comparison.value)}$`]);
      return find(
        source,
        '~',
        patternsOf(comparison, text).map((pattern) => pattern.replace(/^\^/, '^=')),
      );
    }
    default: {
      const source = subject.kind === 'host' ? '$host' : subject.kind === 'method' ? '$request_method' : pathVariable(variables);
      return comparison.op === 'present' ? isThere(source) : find(source, subject.kind === 'path' ? '~' : '~*', patternsOf(comparison));
    }
  }
}

/** One pattern per value: together they might be too long. */
function patternsOf(comparison: Valued, text: (value: string) => string = escapeRegex): string[] {
  if (comparison.op === 'in') return [...new Set(comparison.values)].map((value) => `^${text(value)}$`);
  return [searchedRegex(comparison, text)];
}

function noVariable(header: string): string {
  return `header ${header}: nginx has variables only for names of letters, digits and dashes`;
}

/** undefined: nginx has none. */
function headerVariable(name: string): string | undefined {
  return /[^a-z0-9-]/.test(name) ? undefined : `$http_${name.replaceAll('-', '_')}`;
}

function pathVariable(variables: Variables): string {
  const name = 'lane_path_value';
  return variables.define('map', '$request_uri', ['default ""', `${quote(`~^(?<${name}>[^?]*)`)} $${name}`], 'lane_path');
}

/** A variable with `=` and the value of a cookie or query, empty if it is absent; undefined: the name is too long. */
function named(variables: Variables, kind: 'cookie' | 'query', name: string): string | undefined {
  const key = encodedText(kind)(name);
  if (!isWord(`${key}${' '.repeat(100)}`)) return undefined;
  return variables.once(JSON.stringify([kind, name]), () => {
    const value = variables.capture();
    const pattern =
      kind === 'cookie'
        ? `(?:^|;)[ \\t]*${key}[ \\t]*=[ \\t]*"?(?<${value}>[^;"]*?)"?[ \\t]*(?:;|$)`
        : `(?:^|&)${key}(?:=(?<${value}>[^&]*))?(?:&|$)`;
    return variables.define('map', kind === 'cookie' ? '$http_cookie' : '$args', ['default ""', `${quote(`~${pattern}`)} "=$${value}"`]);
  });
}

/** A variable that is 1 for a share of the requests; undefined: there is none, or it can't be expressed, which is reported. */
function share(plan: Plan, variables: Variables, rule: PlannedRule): string | undefined {
  const { percent, by } = rule;
  if (percent === undefined) return undefined;
  // Requests without the key are chosen at random.
  let key: string | undefined = '$request_id';
  if (by?.clientIp === true) key = '$remote_addr';
  else if (by?.header !== undefined) {
    const header = headerVariable(by.header.toLowerCase());
    if (header === undefined) return plan.gap(`${noVariable(by.header)}; the rule is left out`, rule) as undefined;
    key = variables.define('map', header, [`default ${header}`, '"" $request_id']);
  } else if (by?.cookie !== undefined || by?.query !== undefined) {
    const value = by.cookie === undefined ? named(variables, 'query', by.query as string) : named(variables, 'cookie', by.cookie);
    if (value === undefined) return plan.gap('the name of the key is longer than nginx reads; the rule is left out', rule) as undefined;
    const captured = variables.capture();
    key = variables.define('map', value, ['default $request_id', `"~^=(?<${captured}>.+)$" $${captured}`]);
  }
  if (by !== undefined)
    plan.note('nginx’s own hash chooses who sticks to the lane: the same share, but not the clients that Lane’s gateway or agents choose', rule);
  return variables.define('split_clients', `"${rule.name.replace(/[^\w./-]/g, '_')}:${key}"`, [`${percent}% 1`, '* 0']);
}
