/**
 * HAProxy: a `defaults`, a `frontend` and `backend`s. Each comparison sets a variable of the transaction, since conditions of HAProxy
 * have no brackets.
 */
import type { Tag } from '@lane/core/model';
import { escapeRegex, searchedRegex, type Comparison, type Condition, type Leaf } from './condition.js';
import { hostPort, hostsOf, remarkLines, wholeWeights, type Plan, type PlannedRoute, type PlannedRule } from './plan.js';

/** Writes the configuration. */
export function exportHaproxy(plan: Plan): string {
  const lines: string[] = [];
  const known = new Map<string, string>();
  let count = 0;
  const rule = (text: string): void => void lines.push(`    http-request ${text}`);
  const variable = (prefix: string): string => `txn.lane_${prefix}${++count}`;
  const isTrue = (name: string): string => `{ var(${name}) -m bool }`;

  /** Sets a variable by some rules, once. */
  const define = (id: string, prefix: string, write: (name: string) => void): string => {
    let name = known.get(id);
    if (name === undefined) {
      known.set(id, (name = variable(prefix)));
      write(name);
    }
    return name;
  };

  /** The value of a cookie or query, and whether it is there. */
  function named(kind: 'cookie' | 'query', name: string): { value: string; isThere: string } {
    const key = escapeRegex(name).replaceAll("'", '\\x27');
    const source = kind === 'cookie' ? 'req.fhdr(cookie)' : 'query';
    const there = kind === 'cookie' ? `(?:^|;)[ \\t]*${key}[ \\t]*=` : `(?:^|&)${key}(?:=|&|$)`;
    const taken =
      kind === 'cookie' ? `^(?:.*?;)??[ \\t]*${key}[ \\t]*=[ \\t]*"?([^;"]*?)"?[ \\t]*(?:;.*)?$` : `^(?:.*?&)??${key}(?:=([^&]*))?(?:&.*)?$`;
    const decode = kind === 'cookie' ? 'url_dec' : 'url_dec(1)';
    const isThere = define(`there ${kind} ${name}`, 'has', (set) => rule(`set-var(${set}) bool(true) if { ${source} -m reg -- ${word(there)} }`));
    const value = define(`value ${kind} ${name}`, 'value', (set) =>
      rule(`set-var(${set}) ${word(`${source},regsub('${taken}','\\1'),${decode}`)} if ${isTrue(isThere)}`),
    );
    return { value, isThere };
  }

  function compare(fetch: string, comparison: Exclude<Comparison, { op: 'present' }>, ignoreCase: boolean): string {
    const flag = ignoreCase ? ' -i' : '';
    switch (comparison.op) {
      case 'exact':
        return `{ ${fetch} -m str${flag} -- ${word(comparison.value)} }`;
      case 'prefix':
        return `{ ${fetch} -m beg${flag} -- ${word(comparison.value)} }`;
      case 'suffix':
        return `{ ${fetch} -m end${flag} -- ${word(comparison.value)} }`;
      case 'in':
        return `{ ${fetch} -m str${flag} -- ${comparison.values.map(word).join(' ')} }`;
      case 'regex':
        return `{ ${fetch} -m reg${flag} -- ${word(searchedRegex(comparison))} }`;
    }
  }

  function test({ subject, comparison }: Leaf): string {
    if (subject.kind === 'cookie' || subject.kind === 'query') {
      const { value, isThere } = named(subject.kind, subject.name);
      return comparison.op === 'present' ? isTrue(isThere) : `${isTrue(isThere)} ${compare(`var(${value})`, comparison, false)}`;
    }
    if (subject.kind === 'clientIp') return `{ src ${comparison.op === 'in' ? comparison.values.join(' ') : ''} }`;
    const fetch =
      subject.kind === 'header'
        ? `req.fhdr(${subject.name})`
        : subject.kind === 'host'
          ? 'req.hdr(host),host_only,lower'
          : subject.kind === 'method'
            ? 'method,lower'
            : 'path';
    if (comparison.op === 'present') return `{ ${fetch} -m found }`;
    return compare(fetch, comparison, subject.kind === 'host' || subject.kind === 'method');
  }

  function condition(one: Condition): string {
    const id = JSON.stringify(one);
    if (one.kind === 'leaf') {
      if (!one.negated) return define(id, 'is', (set) => rule(`set-var(${set}) bool(true) if ${test(one)}`));
      const positive = condition({ ...one, negated: false });
      return define(id, 'not', (set) => rule(`set-var(${set}) bool(true) unless ${isTrue(positive)}`));
    }
    const parts = one.of.map(condition).map(isTrue);
    return define(id, one.kind, (set) => rule(`set-var(${set}) bool(true) if ${parts.join(one.kind === 'all' ? ' ' : ' || ')}`));
  }

  function share({ name, percent, by }: PlannedRule): string {
    const drawn = variable('share');
    rule(`set-var(${drawn}) rand(10000)`);
    let key: string | undefined;
    if (by?.clientIp === true) key = 'src';
    else if (by?.header !== undefined) key = `req.fhdr(${by.header.toLowerCase()})`;
    else if (by?.cookie !== undefined) key = `var(${named('cookie', by.cookie).value})`;
    else if (by?.query !== undefined) key = `var(${named('query', by.query).value})`;
    if (key !== undefined) {
      const hashed = key === 'src' ? 'src' : key;
      rule(`set-var(${drawn}) ${hashed},xxh32(${seedOf(name)}),mod(10000)${key === 'src' ? '' : ` if { ${key} -m len gt 0 }`}`);
    }
    return `{ var(${drawn}) -m int lt ${Math.round((percent as number) * 100)} }`;
  }

  const sets = new Map<string, string>();
  /** A variable with the tag that the rules of a route give. */
  function laneOf(route: PlannedRoute): string {
    const id = JSON.stringify(route.rules.map(({ name }) => name));
    let lane = sets.get(id);
    if (lane !== undefined) return lane;
    sets.set(id, (lane = variable('of')));
    for (const one of route.rules) {
      if (one.percent === 0) continue;
      const conditions: string[] = [];
      if (one.condition !== undefined) conditions.push(isTrue(condition(one.condition)));
      if (one.percent !== undefined) {
        if (one.by !== undefined)
          plan.note('who sticks to the lane is chosen by HAProxy’s own hash: the same share, but others than Lane’s gateway or agents choose', one);
        conditions.push(share(one));
      }
      rule(`set-var(${lane}) str(${one.tag}) if !{ var(${lane}) -m found }${conditions.map((text) => ` ${text}`).join('')}`);
    }
    return lane;
  }

  // Which route.
  const ordered = hostsOf(plan).flatMap((host) => plan.routes.filter((route) => !route.isDefault && route.host === host).sort(bySpecialty));
  const rest = plan.routes.find(({ isDefault }) => isDefault);
  const routes = rest === undefined ? ordered : [...ordered, rest];
  routes.forEach((route, i) => {
    const free = '!{ var(txn.lane_route) -m found }';
    const pattern = route.host.startsWith('*.') ? `^[^.]+${escapeRegex(route.host.slice(1))}$` : undefined;
    const host =
      route.isDefault || route.host === '*'
        ? ''
        : pattern === undefined
          ? ` { req.hdr(host),host_only,lower -m str -- ${word(route.host)} }`
          : ` { req.hdr(host),host_only,lower -m reg -- ${word(pattern)} }`;
    const whole = ` { path -m str -- ${word(route.path)} }`;
    if (route.isDefault || (route.path === '/' && route.pathType === 'prefix')) rule(`set-var(txn.lane_route) int(${i + 1}) if ${free}${host}`);
    else if (route.pathType === 'exact') rule(`set-var(txn.lane_route) int(${i + 1}) if ${free}${host}${whole}`);
    else rule(`set-var(txn.lane_route) int(${i + 1}) if ${free}${host}${whole} || ${free}${host} { path -m beg -- ${word(`${route.path}/`)} }`);
  });
  rule('return status 404 content-type text/plain string "no route" unless { var(txn.lane_route) -m found }');
  routes.forEach((route, i) => {
    const here = `{ var(txn.lane_route) -m int ${i + 1} }`;
    if (route.rules.length > 0) rule(`set-var(txn.lane) var(${laneOf(route)}) if ${here}`);
    if (route.tag !== undefined) rule(`set-var(txn.lane) str(${route.tag}) if ${here} !{ var(txn.lane) -m found }`);
  });

  // The client's baggage, of up to four lines, without what only an entry may say.
  const keys = plan.ownEntries.map(escapeRegex).join('|');
  rule(`set-var-fmt(txn.lane_rest) ${word(`${[1, 2, 3, 4].map((line) => `%[req.fhdr(baggage,${line})]`).join(',')}`)}`);
  rule(
    `set-var(txn.lane_rest) ${word(`var(txn.lane_rest),regsub('(?:^|,)[ \\t]*(?:${keys})[ \\t]*=[^,]*','',g),regsub(',[ \\t,]*,',',',g),regsub('^[ \\t,]+',''),regsub('[ \\t,]+$','')`)}`,
  );
  rule('del-header baggage');
  for (const name of plan.ownHeaders) rule(`del-header ${name}`);
  const has = '{ var(txn.lane) -m found }';
  const some = '{ var(txn.lane_rest) -m len gt 0 }';
  const entries = plan.writtenEntries.map((key) => `${key}=%[var(txn.lane)]`).join(',');
  rule(`set-header baggage %[var(txn.lane_rest)] if ${some}${entries === '' ? '' : ` !${has}`}`);
  if (entries !== '') {
    rule(`set-header baggage ${word(`%[var(txn.lane_rest)],${entries}`)} if ${has} ${some}`);
    rule(`set-header baggage ${word(entries)} if ${has} !${some}`);
  }
  const tags = [...new Set(routes.flatMap((route) => route.tags))];
  for (const { name, valueOf } of plan.writtenHeaders)
    for (const tag of tags) rule(`set-header ${name} ${word(valueOf(tag))} if { var(txn.lane) -m str -- ${tag} }`);
  rule('set-header X-Forwarded-For %[src]');
  rule('set-header X-Forwarded-Proto %[ssl_fc,iif(https,http)]');

  routes.forEach((route, i) => {
    const here = `{ var(txn.lane_route) -m int ${i + 1} }`;
    const to = (tag: Tag | undefined, when: string): void => {
      const upstream = route.upstreamOf(tag);
      if (upstream === undefined) lines.push(`    http-request return status 503 content-type text/plain string "no instance" if ${when}`);
    };
    for (const tag of route.tags) to(tag, `${here} { var(txn.lane) -m str -- ${tag} }`);
    to(undefined, `${here} !${has}`);
  });
  routes.forEach((route, i) => {
    const here = `{ var(txn.lane_route) -m int ${i + 1} }`;
    for (const tag of route.tags) {
      const upstream = route.upstreamOf(tag);
      if (upstream !== undefined) lines.push(`    use_backend ${nameOf(upstream.name)} if ${here} { var(txn.lane) -m str -- ${tag} }`);
    }
    const base = route.upstreamOf(undefined);
    if (base !== undefined) lines.push(`    use_backend ${nameOf(base.name)} if ${here}`);
  });

  const backends = plan.upstreams.map(({ name, instances }) => {
    const weights = wholeWeights(instances);
    const servers = instances.map((instance, i) => `    server s${i + 1} ${hostPort(instance)}${weights[i] === 1 ? '' : ` weight ${weights[i]}`}`);
    return `backend ${nameOf(name)} from lane\n${servers.join('\n')}`;
  });
  return [
    '# Lane: entry rules and routes for HAProxy 2.5 or later, written by `lane gateway export haproxy`.',
    ...remarkLines(plan.remarks).map((line) => `# ${line}`),
    '',
    'defaults lane',
    '    mode http',
    '    timeout connect 3s',
    '    timeout client 300s',
    '    timeout server 300s',
    '',
    'frontend lane from lane',
    `    bind :${plan.port}`,
    ...lines,
    '',
    backends.join('\n\n'),
    '',
  ].join('\n');
}

function bySpecialty(a: PlannedRoute, b: PlannedRoute): number {
  return b.path.length - a.path.length || (a.pathType === 'exact' ? -1 : 1);
}

/** Another seed for each rule, so that two rules of one key choose others. */
function seedOf(name: string): number {
  let seed = 0;
  for (const character of name) seed = (Math.imul(seed, 31) + (character.codePointAt(0) as number)) >>> 0;
  return seed % 0x7fff_ffff;
}

function nameOf(name: string): string {
  return name.replace(/[^\w.:-]/g, '_');
}

/** One word of HAProxy's language, in weak quotes. */
function word(text: string): string {
  return /^[\w./:@=-]+$/.test(text) ? text : `"${text.replace(/[\\"$]/g, '\\$&')}"`;
}
