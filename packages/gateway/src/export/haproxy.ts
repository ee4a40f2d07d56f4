/**
 * HAProxy: a `defaults`, a `frontend` and `backend`s. Each comparison sets a variable of the transaction, because HAProxy's conditions
 * have no parentheses.
 */
import type { Tag } from '@lane/core/model';
import { droppedMember } from './client-baggage.js';
import { escapeRegex, leavesOf, searchedRegex, type Comparison, type Condition, type Leaf } from './condition.js';
import { argument, formatText, MAX_PATTERNS, word } from './haproxy-syntax.js';
import { hostPort, orderedRoutes, takesEveryPath, wholeWeights, type Plan, type PlannedRoute, type PlannedRule, type Upstream } from './plan.js';
import type { ExportTarget } from './target.js';

/** HAProxy. */
export const haproxy: ExportTarget = {
  name: 'haproxy',
  title: 'HAProxy 2.5 or later',
  output: 'haproxy.cfg',
  file: 'haproxy.cfg',
  needsAddresses: true,
  check: 'haproxy -c -q -f "$LANE_FILE"',
  reload: 'systemctl reload haproxy',
  write: exportHaproxy,
};

type Valued = Exclude<Comparison, { op: 'present' }>;

/** HAProxy's own limit: a rule has at most 64 words, which limits the terms of a condition. */
const MAX_TERMS = 8;

const isTrue = (name: string): string => `{ var(${name}) -m bool }`;
const HAS_LANE = '{ var(txn.lane) -m found }';
const hereOf = (i: number): string => `{ var(txn.lane_route) -m int ${i + 1} }`;
const ofTag = (tag: Tag): string => `{ var(txn.lane) -m str -- ${tag} }`;

function exportHaproxy(plan: Plan): string {
  const rules = new Rules(plan);
  const routes = orderedRoutes(plan);
  rules.chooseRoute(routes);
  rules.chooseLane(routes);
  rules.writeHeaders(routes);
  return [
    '',
    'defaults lane',
    '    mode http',
    '    timeout connect 3s',
    '    timeout client 300s',
    '    timeout server 300s',
    '',
    'frontend lane from lane',
    `    bind :${plan.port}`,
    ...rules.lines,
    ...refusals(routes),
    ...choices(routes),
    '',
    plan.upstreams.map(backend).join('\n\n'),
    '',
  ].join('\n');
}

/** Refuses the requests that no upstream serves. */
function refusals(routes: readonly PlannedRoute[]): string[] {
  return routes.flatMap((route, i) =>
    [...route.tags, undefined]
      .filter((tag) => route.upstreamOf(tag) === undefined)
      .map(
        (tag) =>
          `    http-request return status 503 content-type text/plain string "no instance" if ${hereOf(i)} ${tag === undefined ? `!${HAS_LANE}` : ofTag(tag)}`,
      ),
  );
}

function choices(routes: readonly PlannedRoute[]): string[] {
  return routes.flatMap((route, i) =>
    [...route.tags, undefined].flatMap((tag) => {
      const upstream = route.upstreamOf(tag);
      return upstream === undefined ? [] : [`    use_backend ${upstream.name} if ${hereOf(i)}${tag === undefined ? '' : ` ${ofTag(tag)}`}`];
    }),
  );
}

function backend({ name, instances }: Upstream): string {
  const weights = wholeWeights(instances);
  const servers = instances.map((instance, i) => `    server s${i + 1} ${hostPort(instance)}${weights[i] === 1 ? '' : ` weight ${weights[i]}`}`);
  return `backend ${name} from lane\n${servers.join('\n')}`;
}

/** The rules of the frontend, which set variables of the transaction. */
class Rules {
  readonly lines: string[] = [];
  readonly #plan: Plan;
  readonly #known = new Map<string, string>();
  #count = 0;

  constructor(plan: Plan) {
    this.#plan = plan;
  }

  /** Sets `txn.lane_route` to the number of the route. */
  chooseRoute(routes: readonly PlannedRoute[]): void {
    const free = '!{ var(txn.lane_route) -m found }';
    routes.forEach((route, i) => {
      const set = `set-var(txn.lane_route) int(${i + 1}) if ${free}${hostTest(route)}`;
      if (takesEveryPath(route)) this.#rule(set);
      else {
        this.#rule(`${set} { path -m str -- ${word(route.path)} }`);
        if (route.pathType === 'prefix') this.#rule(`${set} { path -m beg -- ${word(`${route.path}/`)} }`);
      }
    });
    this.#rule('return status 404 content-type text/plain string "no route" unless { var(txn.lane_route) -m found }');
  }

  /** Sets `txn.lane` to the tag, if there is one. */
  chooseLane(routes: readonly PlannedRoute[]): void {
    routes.forEach((route, i) => {
      if (route.rules.length > 0) this.#rule(`set-var(txn.lane) var(${this.#laneOf(route)}) if ${hereOf(i)}`);
      if (route.tag !== undefined) this.#rule(`set-var(txn.lane) str(${route.tag}) if ${hereOf(i)} !${HAS_LANE}`);
    });
  }

  /** Removes what only an entry may set from the client's headers, and writes the tag. */
  writeHeaders(routes: readonly PlannedRoute[]): void {
    const { ownEntries, ownHeaders, writtenEntries, writtenHeaders } = this.#plan;
    // Up to four lines.
    this.#rule(`set-var-fmt(txn.lane_rest) ${word([1, 2, 3, 4].map((line) => `%[req.fhdr(baggage,${line})]`).join(','))}`);
    const cleaned = [
      `regsub(${argument(`(?:^|,)${droppedMember(ownEntries)}`)},'',g)`,
      `regsub(',[ \\t,]*,',',',g)`,
      `regsub('^[ \\t,]+','')`,
      `regsub('[ \\t,]+$','')`,
    ];
    this.#rule(`set-var(txn.lane_rest) ${word(`var(txn.lane_rest),${cleaned.join(',')}`)}`);
    this.#rule('del-header baggage');
    for (const name of ownHeaders) this.#rule(`del-header ${name}`);
    const some = '{ var(txn.lane_rest) -m len gt 0 }';
    const entries = writtenEntries.map(({ pieces }) => pieces.map(formatText).join('%[var(txn.lane)]')).join(',');
    this.#rule(`set-header baggage %[var(txn.lane_rest)] if ${some}${entries === '' ? '' : ` !${HAS_LANE}`}`);
    if (entries !== '') {
      this.#rule(`set-header baggage ${word(`${entries},%[var(txn.lane_rest)]`)} if ${HAS_LANE} ${some}`);
      this.#rule(`set-header baggage ${word(entries)} if ${HAS_LANE} !${some}`);
    }
    const tags = [...new Set(routes.flatMap((route) => route.tags))];
    for (const { name, valueOf } of writtenHeaders)
      for (const tag of tags) this.#rule(`set-header ${name} ${word(formatText(valueOf(tag)))} if ${ofTag(tag)}`);
    this.#rule('set-header X-Forwarded-For %[src]');
    this.#rule('set-header X-Forwarded-Proto %[ssl_fc,iif(https,http)]');
  }

  #rule(text: string): void {
    this.lines.push(`    http-request ${text}`);
  }

  #variable(prefix: string): string {
    return `txn.lane_${prefix}${++this.#count}`;
  }

  /** Sets a variable by some rules, once. */
  #define(id: string, prefix: string, write: (name: string) => void): string {
    let name = this.#known.get(id);
    if (name === undefined) {
      this.#known.set(id, (name = this.#variable(prefix)));
      write(name);
    }
    return name;
  }

  /** A variable with the tag that a route's rules choose. */
  #laneOf(route: PlannedRoute): string {
    return this.#define(`lane ${JSON.stringify(route.rules.map(({ name }) => name))}`, 'of', (lane) => {
      for (const one of route.rules) {
        if (one.percent === 0) continue;
        const conditions: string[] = [];
        if (one.condition !== undefined) {
          const problem = problemOf(one.condition);
          if (problem !== undefined) {
            this.#plan.gap(`${problem}; the rule is left out`, one);
            continue;
          }
          if (hasRegex(one.condition))
            this.#plan.note(
              'HAProxy matches regular expressions by backtracking (PCRE): some take time out of proportion to the value’s length',
              one,
            );
          conditions.push(isTrue(this.#condition(one.condition)));
        }
        if (one.percent !== undefined) {
          if (one.by !== undefined)
            this.#plan.note(
              'HAProxy’s own hash chooses who sticks to the lane: the same share, but not the clients that Lane’s gateway or agents choose',
              one,
            );
          conditions.push(this.#share(one));
        }
        this.#rule(`set-var(${lane}) str(${one.tag}) if !{ var(${lane}) -m found }${conditions.map((text) => ` ${text}`).join('')}`);
      }
    });
  }

  #condition(one: Condition): string {
    const id = JSON.stringify(one);
    if (one.kind === 'leaf') {
      if (one.negated) {
        const positive = this.#condition({ ...one, negated: false });
        return this.#define(id, 'not', (set) => this.#rule(`set-var(${set}) bool(true) unless ${isTrue(positive)}`));
      }
      const tests = this.#tests(one);
      return this.#define(id, 'is', (set) => tests.forEach((test) => this.#rule(`set-var(${set}) bool(true) if ${test}`)));
    }
    return this.#combine(
      one.kind,
      one.of.map((part) => this.#condition(part)),
    );
  }

  /** A variable that is the conjunction or disjunction of others, in several steps if there are many, because lines are limited. */
  #combine(kind: 'all' | 'any', parts: readonly string[]): string {
    if (parts.length > MAX_TERMS) {
      const some = Array.from({ length: Math.ceil(parts.length / MAX_TERMS) }, (_, i) =>
        this.#combine(kind, parts.slice(i * MAX_TERMS, (i + 1) * MAX_TERMS)),
      );
      return this.#combine(kind, some);
    }
    const text = parts.map(isTrue).join(kind === 'all' ? ' ' : ' || ');
    return this.#define(`${kind} ${text}`, kind, (set) => this.#rule(`set-var(${set}) bool(true) if ${text}`));
  }

  /** The alternatives of a comparison. */
  #tests({ subject, comparison }: Leaf): string[] {
    if (subject.kind === 'clientIp') return patternTests('src', '', comparison.op === 'in' ? comparison.values : []);
    if (subject.kind === 'cookie' || subject.kind === 'query') {
      const { value, isThere } = this.#named(subject.kind, subject.name);
      if (comparison.op === 'present') return [isTrue(isThere)];
      return compare(`var(${value})`, comparison, false).map((test) => `${isTrue(isThere)} ${test}`);
    }
    const fetch =
      subject.kind === 'header'
        ? word(`req.fhdr(${argument(subject.name)})`)
        : subject.kind === 'host'
          ? 'req.hdr(host),host_only,lower'
          : subject.kind === 'method'
            ? 'method,lower'
            : 'path';
    if (comparison.op === 'present') return [`{ ${fetch} -m found }`];
    return compare(fetch, comparison, subject.kind === 'host' || subject.kind === 'method');
  }

  /** The value of a cookie or query, and whether it is there. */
  #named(kind: 'cookie' | 'query', name: string): { value: string; isThere: string } {
    const key = escapeRegex(name);
    const source = kind === 'cookie' ? 'req.fhdr(cookie)' : 'query';
    const there = kind === 'cookie' ? `(?:^|;)[ \\t]*${key}[ \\t]*=` : `(?:^|&)${key}(?:=|&|$)`;
    const taken =
      kind === 'cookie' ? `^(?:.*?;)??[ \\t]*${key}[ \\t]*=[ \\t]*"?([^;"]*?)"?[ \\t]*(?:;.*)?$` : `^(?:.*?&)??${key}(?:=([^&]*))?(?:&.*)?$`;
    const decode = kind === 'cookie' ? 'url_dec' : 'url_dec(1)';
    const isThere = this.#define(JSON.stringify(['there', kind, name]), 'has', (set) =>
      this.#rule(`set-var(${set}) bool(true) if { ${source} -m reg -- ${word(there)} }`),
    );
    const value = this.#define(JSON.stringify(['value', kind, name]), 'value', (set) =>
      this.#rule(`set-var(${set}) ${word(`${source},regsub(${argument(taken)},'\\1'),${decode}`)} if ${isTrue(isThere)}`),
    );
    return { value, isThere };
  }

  #share({ name, percent, by }: PlannedRule): string {
    const drawn = this.#variable('share');
    this.#rule(`set-var(${drawn}) rand(10000)`);
    let key: string | undefined;
    if (by?.clientIp === true) key = 'src';
    else if (by?.header !== undefined) key = `req.fhdr(${argument(by.header.toLowerCase())})`;
    else if (by?.cookie !== undefined) key = `var(${this.#named('cookie', by.cookie).value})`;
    else if (by?.query !== undefined) key = `var(${this.#named('query', by.query).value})`;
    if (key !== undefined)
      this.#rule(`set-var(${drawn}) ${word(`${key},xxh32(${seedOf(name)}),mod(10000)`)}${key === 'src' ? '' : ` if { ${word(key)} -m len gt 0 }`}`);
    return `{ var(${drawn}) -m int lt ${Math.round((percent as number) * 100)} }`;
  }
}

function hostTest({ isDefault, host }: PlannedRoute): string {
  if (isDefault || host === '*') return '';
  const fetch = 'req.hdr(host),host_only,lower';
  return host.startsWith('*.') ? ` { ${fetch} -m reg -- ${word(`^[^.]+${escapeRegex(host.slice(1))}$`)} }` : ` { ${fetch} -m str -- ${word(host)} }`;
}

/** A comparison as alternatives. */
function compare(fetch: string, comparison: Valued, ignoreCase: boolean): string[] {
  const flag = ignoreCase ? ' -i' : '';
  switch (comparison.op) {
    case 'exact':
      return patternTests(fetch, ` -m str${flag}`, [comparison.value]);
    case 'prefix':
      return patternTests(fetch, ` -m beg${flag}`, [comparison.value]);
    case 'suffix':
      return patternTests(fetch, ` -m end${flag}`, [comparison.value]);
    case 'in':
      return patternTests(fetch, ` -m str${flag}`, comparison.values);
    case 'regex':
      return patternTests(fetch, ` -m reg${flag}`, [searchedRegex(comparison)]);
  }
}

/** Conditions, each for as many patterns as fit. */
function patternTests(fetch: string, method: string, values: readonly string[]): string[] {
  // A brace alone would end the condition, and start others.
  const patterns = [...new Set(values)].filter((value) => value !== '}');
  const tests = patterns.length === values.length ? [] : braceTest(fetch, method, values.includes('}'));
  for (let i = 0; i < patterns.length; i += MAX_PATTERNS)
    tests.push(
      `{ ${fetch}${method} -- ${patterns
        .slice(i, i + MAX_PATTERNS)
        .map(word)
        .join(' ')} }`,
    );
  return tests;
}

function braceTest(fetch: string, method: string, isAmong: boolean): string[] {
  if (!isAmong) return [];
  const pattern = method.includes(' beg') ? '^\\}' : method.includes(' str') ? '^\\}$' : method.includes(' end') ? '\\}$' : '\\}';
  return [`{ ${fetch} -m reg -- ${word(pattern)} }`];
}

function hasRegex(condition: Condition): boolean {
  return leavesOf(condition).some(({ comparison }) => comparison.op === 'regex');
}

/** Why a condition can't be expressed; undefined: it can. */
function problemOf(condition: Condition): string | undefined {
  for (const { comparison } of leavesOf(condition))
    if (comparison.op === 'regex' && comparison.onlyRe2 !== undefined)
      return `a regular expression with ${comparison.onlyRe2}, which HAProxy reads differently`;
  return undefined;
}

/** A different seed for each rule, so that two rules with one key choose differently. */
function seedOf(name: string): number {
  let seed = 0;
  for (const character of name) seed = (Math.imul(seed, 31) + (character.codePointAt(0) as number)) >>> 0;
  return seed % 0x7fff_ffff;
}
