/**
 * Spring Cloud Gateway: an application.yml. Predicates of a route must all hold, and there is no negation; alternatives are routes of
 * their own. Its filters can set and remove a header, not edit it: the client's other baggage does not go on.
 */
import { stringify } from 'yaml';
import type { Tag } from '@lane/core/model';
import { alternativesOf, escapeRegex, wholeRegex, type Leaf } from './condition.js';
import { hostPort, hostsOf, remarkLines, wholeWeights, type Plan, type PlannedRoute, type PlannedRule, type Upstream } from './plan.js';

interface Part {
  readonly name: string;
  readonly args: Readonly<Record<string, unknown>>;
}

/** Writes the configuration. */
export function exportSpringCloudGateway(plan: Plan): string {
  plan.gap('the client’s other baggage is not kept: filters of Spring Cloud Gateway can’t edit a header');
  const routes: object[] = [];
  const ordered = hostsOf(plan).flatMap((host) => plan.routes.filter((route) => !route.isDefault && route.host === host).sort(bySpecialty));
  const rest = plan.routes.find(({ isDefault }) => isDefault);
  const all = rest === undefined ? ordered : [...ordered, rest];
  let count = 0;
  const idOf = (text: string): string => `lane-${++count}-${text.replace(/[^\w.-]+/g, '-')}`;
  for (const route of all) {
    for (const rule of route.rules) {
      for (const alternative of alternatives(plan, rule)) {
        const id = idOf(rule.name);
        const weight: Part[] = [];
        if (rule.percent !== undefined) {
          // The rest of the group is taken by a route that nothing matches, so that later rules are tried.
          const steps = Math.round(rule.percent * 100);
          weight.push(weightOf(id, steps));
          routes.push({
            id: `${id}-rest`,
            uri: 'no://op',
            order: routes.length,
            predicates: [weightOf(id, 10_000 - steps), header('Host', '(?!)')],
          });
        }
        routes.push(routeOf(plan, route, rule.tag, id, [...alternative, ...weight], routes.length));
      }
    }
    routes.push(routeOf(plan, route, route.tag, idOf(route.service), [], routes.length));
  }
  const balanced = plan.upstreams.filter(({ instances }) => instances.length > 1);
  if (balanced.length > 0) plan.note('services of several instances take spring-cloud-starter-loadbalancer');
  const instances = Object.fromEntries(
    balanced.map((upstream) => {
      const weights = wholeWeights(upstream.instances);
      return [upstream.name, upstream.instances.map((one, i) => ({ uri: `http://${hostPort(one)}`, metadata: { weight: String(weights[i]) } }))];
    }),
  );
  const configuration = {
    server: { port: plan.port },
    spring: {
      cloud: {
        gateway: { routes },
        ...(balanced.length === 0 ? {} : { discovery: { client: { simple: { instances } } } }),
      },
    },
  };
  return [
    '# Lane: entry rules and routes for Spring Cloud Gateway 4.1, written by `lane gateway export spring-cloud-gateway`.',
    ...remarkLines(plan.remarks).map((line) => `# ${line}`),
    stringify(configuration, { lineWidth: 0 }),
  ].join('\n');
}

function alternatives(plan: Plan, rule: PlannedRule): Part[][] {
  if (rule.percent === 0) return [];
  if (rule.by !== undefined) {
    plan.gap('a share that sticks to a key can’t be said; the rule is left out', rule);
    return [];
  }
  const found = rule.condition === undefined ? [[]] : alternativesOf(rule.condition);
  if (found === undefined || (rule.percent !== undefined && found.length > 1)) {
    plan.gap(
      `${found === undefined ? 'the condition has too many alternatives' : 'a share of a condition with alternatives can’t be said'}; the rule is left out`,
      rule,
    );
    return [];
  }
  const parts = found.map((leaves) => leaves.map(predicate));
  const problem = parts.flat().find((part) => typeof part === 'string');
  if (problem !== undefined) {
    plan.gap(`${problem}; the rule is left out`, rule);
    return [];
  }
  return parts as Part[][];
}

/** A comparison as a predicate; a text: why it can't be. */
function predicate({ subject, comparison, negated }: Leaf): Part | string {
  if (negated) return 'a negation can’t be said';
  switch (subject.kind) {
    case 'clientIp':
      return { name: 'RemoteAddr', args: { sources: comparison.op === 'in' ? comparison.values : [] } };
    case 'header':
      return header(subject.name, comparison.op === 'present' ? '.*' : wholeRegex(comparison));
    case 'host':
      if (comparison.op === 'regex') return 'a regular expression on the host';
      return header('Host', comparison.op === 'present' ? '.*' : `(?i)${wholeRegex(comparison).replaceAll('.*', '[^:]*')}(?::\\d+)?`);
    case 'cookie':
      return { name: 'Cookie', args: { name: subject.name, regexp: comparison.op === 'present' ? '.*' : wholeRegex(comparison) } };
    case 'query':
      return { name: 'Query', args: { param: subject.name, ...(comparison.op === 'present' ? {} : { regexp: wholeRegex(comparison) }) } };
    case 'method': {
      const methods = comparison.op === 'exact' ? [comparison.value] : comparison.op === 'in' ? comparison.values : undefined;
      return methods === undefined
        ? 'only whole methods can be compared'
        : { name: 'Method', args: { methods: methods.map((one) => one.toUpperCase()) } };
    }
    case 'path':
      if (comparison.op === 'present') return path(['/**']);
      if (comparison.op === 'exact') return path([comparison.value]);
      if (comparison.op === 'in') return path(comparison.values);
      if (comparison.op === 'prefix') return path([`${comparison.value}*/**`, ...(comparison.value.endsWith('/') ? [`${comparison.value}**`] : [])]);
      return 'only whole paths and prefixes can be compared';
  }
}

function header(name: string, regexp: string): Part {
  return { name: 'Header', args: { header: name, regexp } };
}

/** The names of its arguments have a prefix that the shortened form `Weight=group, weight` hides. */
function weightOf(group: string, weight: number): Part {
  return { name: 'Weight', args: { 'weight.group': group, 'weight.weight': weight } };
}

function path(patterns: readonly string[]): Part {
  return { name: 'Path', args: { patterns, matchTrailingSlash: false } };
}

function routeOf(plan: Plan, route: PlannedRoute, tag: Tag | undefined, id: string, parts: readonly Part[], order: number): object {
  const own: Part[] = [];
  if (!route.isDefault && route.host !== '*') {
    const pattern = route.host.startsWith('*.') ? `[^.:]+${escapeRegex(route.host.slice(1))}` : escapeRegex(route.host);
    own.push(header('Host', `(?i)${pattern}(?::\\d+)?`));
  }
  if (route.isDefault || (route.path === '/' && route.pathType === 'prefix')) own.push(path(['/**']));
  else own.push(path(route.pathType === 'exact' ? [route.path] : [route.path, `${route.path}/**`]));
  const written = new Map<string, string>();
  if (tag !== undefined) {
    if (plan.writtenEntries.length > 0) written.set('baggage', plan.writtenEntries.map((key) => `${key}=${tag}`).join(','));
    for (const { name, valueOf } of plan.writtenHeaders) written.set(name, valueOf(tag));
  }
  const upstream = route.upstreamOf(tag);
  const filters = [
    { name: 'PreserveHostHeader' },
    ...['baggage', ...plan.ownHeaders].map((name) =>
      written.has(name) ? { name: 'SetRequestHeader', args: { name, value: written.get(name) } } : { name: 'RemoveRequestHeader', args: { name } },
    ),
    ...(upstream === undefined ? [{ name: 'SetStatus', args: { status: '503' } }] : []),
  ];
  return { id, uri: uriOf(upstream), order, predicates: [...own, ...parts], filters };
}

function uriOf(upstream: Upstream | undefined): string {
  const [first] = upstream?.instances ?? [];
  if (upstream === undefined || first === undefined) return 'no://op';
  return upstream.instances.length === 1 ? `http://${hostPort(first)}` : `lb://${upstream.name}`;
}

function bySpecialty(a: PlannedRoute, b: PlannedRoute): number {
  return b.path.length - a.path.length || (a.pathType === 'exact' ? -1 : 1);
}
