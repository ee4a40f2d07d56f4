/**
 * nginx: a file for its `http` block (conf.d). Each comparison is a `map`, nesting is a map over maps, shares are `split_clients`, and
 * the client's baggage is cleaned by maps, for nginx can't edit a header.
 */
import type { Tag } from '@lane/core/model';
import { encodedText, escapeRegex, searchedRegex, type Condition, type Leaf } from './condition.js';
import { hostPort, hostsOf, remarkLines, routesOfHost, wholeWeights, type Plan, type PlannedRoute, type PlannedRule } from './plan.js';

/** How often one baggage header may name the lane; with more it is dropped whole. */
const PASSES = 4;

/** Writes the configuration. */
export function exportNginx(plan: Plan): string {
  const blocks: string[] = [];
  const known = new Map<string, string>();
  let count = 0;

  /** A block that sets a variable, made once. */
  const define = (keyword: string, source: string, lines: readonly string[], prefix = 'lane'): string => {
    const id = JSON.stringify([keyword, source, lines]);
    let name = known.get(id);
    if (name === undefined) {
      name = `$${prefix}_${++count}`;
      known.set(id, name);
      blocks.push(`${keyword} ${source === '' ? '' : `${source} `}${name} {\n${lines.map((line) => `    ${line};`).join('\n')}\n}`);
    }
    return name;
  };
  const capture = (): string => `lane_c${++count}`;

  const path = (): string => {
    const name = 'lane_path_value';
    return define('map', '$request_uri', ['default ""', `${quote(`~^(?<${name}>[^?]*)`)} $${name}`], 'lane_path');
  };

  /** A variable with the value of a cookie or query behind `=`, or nothing where it is absent. */
  function named(kind: 'cookie' | 'query', name: string): string {
    const value = `lane_v_${++count}`;
    const key = encodedText(kind)(name);
    const pattern =
      kind === 'cookie'
        ? `(?:^|;)[ \\t]*${key}[ \\t]*=[ \\t]*"?(?<${value}>[^;"]*?)"?[ \\t]*(?:;|$)`
        : `(?:^|&)${key}(?:=(?<${value}>[^&]*))?(?:&|$)`;
    const source = kind === 'cookie' ? '$http_cookie' : '$args';
    const id = `${kind} ${name}`;
    let made = known.get(id);
    if (made === undefined) known.set(id, (made = define('map', source, ['default ""', `${quote(`~${pattern}`)} "=$${value}"`])));
    return made;
  }

  function leaf(one: Leaf, rule: PlannedRule): string | undefined {
    const { subject, comparison, negated } = one;
    const [no, yes] = negated ? ['1', '0'] : ['0', '1'];
    if (subject.kind === 'clientIp') {
      if (comparison.op !== 'in') return undefined;
      return define('geo', '', [`default ${no}`, ...comparison.values.map((network) => `${network} ${yes}`)]);
    }
    if (subject.kind === 'header') {
      const isEmpty = (comparison.op === 'exact' && comparison.value === '') || (comparison.op === 'in' && comparison.values.includes(''));
      if (isEmpty) {
        plan.gap(`header ${subject.name}: an empty header and none are the same to nginx; the rule is left out`, rule);
        return undefined;
      }
      if (/[^a-z0-9-]/.test(subject.name)) {
        plan.gap(`header ${subject.name}: nginx has variables only for names of letters, digits and dashes; the rule is left out`, rule);
        return undefined;
      }
      const source = `$http_${subject.name.replaceAll('-', '_')}`;
      if (comparison.op === 'present') return define('map', source, [`default ${yes}`, `"" ${no}`]);
      return define('map', source, [`default ${no}`, `${quote(`~${searchedRegex(comparison)}`)} ${yes}`]);
    }
    if (subject.kind === 'cookie' || subject.kind === 'query') {
      const source = named(subject.kind, subject.name);
      if (comparison.op === 'present') return define('map', source, [`default ${yes}`, `"" ${no}`]);
      if (comparison.op === 'regex') {
        plan.note(`the ${subject.kind} ${subject.name} is compared as it is sent, percent-encoding included`, rule);
        const value = define('map', source, ['default ""', `"~^=(?<${capture()}>.*)$" $lane_c${count}`]);
        const here = define('map', value, [`default 0`, `${quote(`~${comparison.value}`)} 1`]);
        const there = define('map', source, ['default 1', '"" 0']);
        return define('map', `"${here}${there}"`, [`default ${no}`, `"11" ${yes}`]);
      }
      const text = encodedText(subject.kind);
      // The `=` in front tells an empty value from none.
      const pattern = comparison.op === 'suffix' ? `^=.*${text(comparison.value)}$` : searchedRegex(comparison, text).replace(/^\^/, '^=');
      return define('map', source, [`default ${no}`, `${quote(`~${pattern}`)} ${yes}`]);
    }
    const source = subject.kind === 'host' ? '$host' : subject.kind === 'method' ? '$request_method' : path();
    if (comparison.op === 'present') return define('map', source, [`default ${yes}`, `"" ${no}`]);
    return define('map', source, [`default ${no}`, `${quote(`${subject.kind === 'path' ? '~' : '~*'}${searchedRegex(comparison)}`)} ${yes}`]);
  }

  function condition(one: Condition, rule: PlannedRule): string | undefined {
    if (one.kind === 'leaf') return leaf(one, rule);
    const variables: string[] = [];
    for (const part of one.of) {
      const variable = condition(part, rule);
      if (variable === undefined) return undefined;
      variables.push(variable);
    }
    const source = `"${variables.join('')}"`;
    return one.kind === 'all'
      ? define('map', source, ['default 0', `"${'1'.repeat(variables.length)}" 1`])
      : define('map', source, ['default 0', '"~1" 1']);
  }

  function share(rule: PlannedRule): string | undefined {
    const { percent, by } = rule;
    if (percent === undefined) return undefined;
    // What no value sticks to is chosen at random.
    let key = '$request_id';
    if (by?.clientIp === true) key = '$remote_addr';
    else if (by?.header !== undefined) {
      const header = `$http_${by.header.toLowerCase().replaceAll('-', '_')}`;
      key = define('map', header, [`default ${header}`, '"" $request_id']);
    } else if (by?.cookie !== undefined || by?.query !== undefined) {
      const value = by.cookie === undefined ? named('query', by.query as string) : named('cookie', by.cookie);
      const captured = capture();
      key = define('map', value, ['default $request_id', `"~^=(?<${captured}>.+)$" $${captured}`]);
    }
    if (by !== undefined)
      plan.note('who sticks to the lane is chosen by nginx’s own hash: the same share, but others than Lane’s gateway or agents choose', rule);
    return define('split_clients', `"${rule.name.replace(/[^\w./-]/g, '_')}:${key}"`, [`${percent}% 1`, '* 0']);
  }

  /** A variable that is 1 where the rule matches; a text where that is always so or never. */
  function ruleVariable(rule: PlannedRule): string | undefined {
    if (rule.percent === 0) return undefined;
    const matched = rule.condition === undefined ? undefined : condition(rule.condition, rule);
    if (rule.condition !== undefined && matched === undefined) return undefined;
    const within = share(rule);
    const both = [matched, within].filter((one) => one !== undefined);
    if (both.length === 0) return '1';
    return both.length === 1 ? both[0] : define('map', `"${both.join('')}"`, ['default 0', '"11" 1']);
  }

  const laneVariables = new Map<string, string>();
  /** A variable with the tag of a request on a route. */
  function laneOf(route: PlannedRoute): string {
    const id = JSON.stringify([route.rules.map(({ name }) => name), route.tag]);
    let lane = laneVariables.get(id);
    if (lane === undefined) {
      const tried = route.rules.flatMap((rule) => {
        const variable = ruleVariable(rule);
        return variable === undefined ? [] : [{ rule, variable }];
      });
      const source = `"${tried.map(({ variable }) => variable).join('')}"`;
      const lines = tried.map(({ rule }, i) => `"~^${i === 0 ? '' : `0{${i}}`}1" ${quote(rule.tag)}`);
      lane = define('map', tried.length === 0 ? '""' : source, [`default ${quote(route.tag ?? '')}`, ...lines], 'lane_tag');
      laneVariables.set(id, lane);
    }
    return lane;
  }

  // The client's baggage, without what only an entry may say.
  const keys = plan.ownEntries.map(escapeRegex).join('|');
  let rest = '$http_baggage';
  for (let pass = 0; pass < PASSES; pass++) {
    const [before, after] = [capture(), capture()];
    const pattern = `~^(?<${before}>(?:.*,)?)[ \\t]*(?:${keys})[ \\t]*=[^,]*,?(?<${after}>.*)$`;
    rest = define('map', rest, [`default ${rest}`, `${quote(pattern)} $${before}$${after}`]);
  }
  const kept = capture();
  rest = define('map', rest, [
    `${quote(`~(?:^|,)[ \\t]*(?:${keys})[ \\t]*=`)} ""`,
    `${quote(`~^[ \\t,]*(?<${kept}>.*?)[ \\t,]*$`)} $${kept}`,
    'default ""',
  ]);
  plan.note('of several baggage lines nginx before 1.23 keeps the first');

  function baggageOf(lane: string): string {
    if (plan.writtenEntries.length === 0) return rest;
    const [alone, tag, both] = [capture(), capture(), capture()];
    const written = (variable: string): string => plan.writtenEntries.map((key) => `${key}=$${variable}`).join(',');
    const second = capture();
    return define('map', `"${lane}|${rest}"`, [
      'default ""',
      `${quote(`~^\\|(?<${alone}>.*)$`)} $${alone}`,
      `${quote(`~^(?<${tag}>[^|]+)\\|$`)} "${written(tag)}"`,
      `${quote(`~^(?<${both}>[^|]+)\\|(?<${second}>.+)$`)} "$${second},${written(both)}"`,
    ]);
  }

  function upstreamVariable(route: PlannedRoute, lane: string): string {
    const nameOf = (tag: Tag | undefined): string => quote(route.upstreamOf(tag)?.name ?? '');
    const tagged = route.tags.map((tag) => `${quote(`~^${escapeRegex(tag)}$`)} ${nameOf(tag)}`);
    // A tag that the route gives is in `tags`; what is left is base.
    return define('map', lane, [`default ${nameOf(undefined)}`, ...tagged], 'lane_upstream');
  }

  function location(match: string, route: PlannedRoute): string {
    const lane = laneOf(route);
    const upstream = upstreamVariable(route, lane);
    const written = new Map(plan.writtenHeaders.map((header) => [header.name, header]));
    const headers = plan.ownHeaders.map((name) => {
      const header = written.get(name);
      if (header === undefined) return `proxy_set_header ${name} ""`;
      const value = define('map', lane, [
        'default ""',
        ...route.tags.map((tag) => `${quote(`~^${escapeRegex(tag)}$`)} ${quote(header.valueOf(tag))}`),
      ]);
      return `proxy_set_header ${name} ${value}`;
    });
    return block(`location ${match}`, [
      ...([undefined, ...route.tags].some((tag) => route.upstreamOf(tag) === undefined) ? [`if (${upstream} = "") { return 503; }`] : []),
      `proxy_pass http://${upstream}`,
      'proxy_http_version 1.1',
      'proxy_set_header Host $http_host',
      'proxy_set_header Upgrade $http_upgrade',
      'proxy_set_header Connection $lane_connection',
      'proxy_set_header X-Forwarded-For $remote_addr',
      'proxy_set_header X-Forwarded-Proto $scheme',
      'proxy_set_header X-Forwarded-Host $http_host',
      'proxy_buffering off',
      'proxy_request_buffering off',
      `proxy_set_header baggage ${baggageOf(lane)}`,
      ...headers,
    ]);
  }

  const servers = hostsOf(plan).map((host) => {
    const routes = routesOfHost(plan, host);
    const locations: string[] = [];
    const taken = new Set<string>();
    const add = (match: string, route: PlannedRoute): void => {
      if (taken.has(match)) return;
      taken.add(match);
      locations.push(location(match, route));
    };
    for (const route of routes) {
      if (route.isDefault || (route.path === '/' && route.pathType === 'prefix')) add('/', route);
      else if (route.pathType === 'exact') add(`= ${quote(route.path)}`, route);
      else {
        add(`= ${quote(route.path)}`, route);
        add(`^~ ${quote(`${route.path}/`)}`, route);
      }
    }
    if (!taken.has('/')) locations.push(block('location /', ['return 404']));
    const name = host === '*' ? '_' : host.startsWith('*.') ? quote(`~^[^.]+${escapeRegex(host.slice(1))}$`) : host;
    return block('server', [`listen ${plan.port}${host === '*' ? ' default_server' : ''}`, `server_name ${name}`, ...locations]);
  });
  if (!hostsOf(plan).includes('*'))
    servers.push(block('server', [`listen ${plan.port} default_server`, 'server_name _', block('location /', ['return 404'])]));

  const upstreams = plan.upstreams.map((upstream) => {
    const weights = wholeWeights(upstream.instances);
    const lines = upstream.instances.map((instance, i) => `server ${hostPort(instance)}${weights[i] === 1 ? '' : ` weight=${weights[i]}`}`);
    return block(`upstream ${upstream.name}`, [...lines, 'keepalive 32']);
  });
  return [
    '# Lane: entry rules and routes for nginx 1.15.3 or later, written by `lane gateway export nginx`. Include it in the http block.',
    ...remarkLines(plan.remarks).map((line) => `# ${line}`),
    '',
    ...upstreams,
    'map $http_upgrade $lane_connection {\n    default upgrade;\n    "" "";\n}',
    ...blocks,
    ...servers,
    '',
  ].join('\n');
}

function block(head: string, lines: readonly string[]): string {
  const body = lines.map((line) => (line.endsWith('}') ? line : `${line};`).replace(/^/gm, '    '));
  return `${head} {\n${body.join('\n')}\n}`;
}

/** A text in quotes; a backslash is written twice. */
function quote(text: string): string {
  return `"${text.replace(/[\\"]/g, '\\$&')}"`;
}
