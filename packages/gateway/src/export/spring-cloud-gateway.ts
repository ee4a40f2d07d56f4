/**
 * Spring Cloud Gateway: an application.yml. All predicates of a route must hold, and there is no negation; alternatives become separate
 * routes. Its filters can set and remove a header, not edit it, so the client's other baggage is dropped.
 */
import type { Tag } from '@lane/core/model';
import { alternativesOf, escapeRegex, wholeRegex, type Leaf } from './condition.js';
import { hostPort, orderedRoutes, takesEveryPath, wholeWeights, type Plan, type PlannedRoute, type PlannedRule, type Upstream } from './plan.js';
import type { ExportTarget } from './target.js';
import { toYaml } from './yaml.js';

/** Spring Cloud Gateway. */
export const springCloudGateway: ExportTarget = {
  name: 'spring-cloud-gateway',
  title: 'Spring Cloud Gateway 4.1',
  output: 'application.yml',
  file: 'application.yml',
  needsAddresses: true,
  write: (plan) => toYaml(configurationOf(plan)),
};

interface Part {
  readonly name: string;
  readonly args: Readonly<Record<string, unknown>>;
}

function configurationOf(plan: Plan): object {
  plan.gap('the client’s other baggage is not kept: filters of Spring Cloud Gateway can’t edit a header');
  const routes: object[] = [];
  let count = 0;
  const idOf = (text: string): string => `lane-${++count}-${text.replace(/[^\w.-]+/g, '-')}`;
  for (const route of orderedRoutes(plan)) {
    if (!takesEveryPath(route) && !isPathText(route.path)) {
      plan.gap(`the route of path ${route.path} is left out: it has characters of a pattern`);
      continue;
    }
    for (const rule of route.rules) {
      for (const alternative of alternatives(plan, rule)) {
        const id = idOf(rule.name);
        const weight: Part[] = [];
        if (rule.percent !== undefined) {
          // A route that nothing matches takes the rest of the group, so that later rules are tried.
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
  if (balanced.length > 0) plan.note('services with several instances need spring-cloud-starter-loadbalancer');
  const instances = Object.fromEntries(
    balanced.map((upstream) => {
      const weights = wholeWeights(upstream.instances);
      return [upstream.name, upstream.instances.map((one, i) => ({ uri: `http://${hostPort(one)}`, metadata: { weight: String(weights[i]) } }))];
    }),
  );
  return {
    server: { port: plan.port },
    spring: {
      cloud: {
        gateway: { routes },
        ...(balanced.length === 0 ? {} : { discovery: { client: { simple: { instances } } } }),
      },
    },
  };
}

/**
 * Whether Spring takes a text as it is: `${…}` is a placeholder in any value of its files, and a text from `#{` to `}` is code to Spring
 * Cloud Gateway (ShortcutConfigurable.getValue, exploited by CVE-2022-22947).
 */
function isPlain(text: string): boolean {
  return !/[$#]\{/.test(text);
}

/** A regular expression without such placeholders. */
function plainRegex(regex: string): string {
  return regex.replace(/([$#])\{/g, '$1(?:){');
}

function alternatives(plan: Plan, rule: PlannedRule): Part[][] {
  if (rule.percent === 0) return [];
  if (rule.by !== undefined) {
    plan.gap('a sticky share can’t be expressed; the rule is left out', rule);
    return [];
  }
  const found = rule.condition === undefined ? [[]] : alternativesOf(rule.condition);
  if (found === undefined || (rule.percent !== undefined && found.length > 1)) {
    plan.gap(
      `${found === undefined ? 'the condition has too many alternatives' : 'a share of a condition with alternatives can’t be expressed'}; the rule is left out`,
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

/** A comparison as a predicate; a string: why that is impossible. */
function predicate({ subject, comparison, negated }: Leaf): Part | string {
  if (negated) return 'a negation can’t be expressed';
  if (comparison.op === 'regex' && comparison.onlyRe2 !== undefined)
    return `a regular expression with ${comparison.onlyRe2}, which Java reads differently`;
  if ('name' in subject && !isPlain(subject.name)) return 'a name with ${ or #{, which Spring would expand';
  switch (subject.kind) {
    case 'clientIp':
      return { name: 'RemoteAddr', args: { sources: comparison.op === 'in' ? comparison.values : [] } };
    case 'header':
      return header(subject.name, comparison.op === 'present' ? '.*' : wholeRegex(comparison));
    case 'host':
      if (comparison.op === 'regex') return 'a regular expression on the host';
      return header('Host', comparison.op === 'present' ? '.*' : `(?i)${hostRegex(comparison)}(?::\\d+)?`);
    case 'cookie':
      return { name: 'Cookie', args: { name: subject.name, regexp: comparison.op === 'present' ? '.*' : plainRegex(wholeRegex(comparison)) } };
    case 'query':
      return {
        name: 'Query',
        args: { param: subject.name, ...(comparison.op === 'present' ? {} : { regexp: plainRegex(wholeRegex(comparison)) }) },
      };
    case 'method': {
      const methods = comparison.op === 'exact' ? [comparison.value] : comparison.op === 'in' ? comparison.values : undefined;
      if (methods === undefined || !methods.every((method) => /^[A-Za-z-]+$/.test(method))) return 'only whole methods can be compared';
      return { name: 'Method', args: { methods: methods.map((one) => one.toUpperCase()) } };
    }
    case 'path': {
      if (comparison.op === 'present') return path(['/**']);
      const values = comparison.op === 'in' ? comparison.values : [comparison.value];
      if (comparison.op === 'suffix' || comparison.op === 'regex') return 'only whole paths and prefixes can be compared';
      if (!values.every(isPathText)) return 'a path that does not begin with /, or has characters of a pattern';
      if (comparison.op !== 'prefix') return path(values);
      return path([`${comparison.value}*/**`, ...(comparison.value.endsWith('/') ? [`${comparison.value}**`] : [])]);
    }
  }
}

/** A comparison of a host without its port, as a regular expression. */
function hostRegex(comparison: Exclude<Leaf['comparison'], { op: 'present' | 'regex' }>): string {
  if (comparison.op === 'prefix') return `${escapeRegex(comparison.value)}[^:]*`;
  return comparison.op === 'suffix' ? `[^:]*${escapeRegex(comparison.value)}` : wholeRegex(comparison);
}

/** Whether a text in a PathPattern stands for itself. */
function isPathText(text: string): boolean {
  return /^\/[\w./~!&'()+,;=:@%-]*$/.test(text);
}

function header(name: string, regexp: string): Part {
  return { name: 'Header', args: { header: name, regexp: plainRegex(regexp) } };
}

/** Its argument names have a prefix, which the short form `Weight=group, weight` hides. */
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
  if (takesEveryPath(route)) own.push(path(['/**']));
  else own.push(path(route.pathType === 'exact' ? [route.path] : [route.path, `${route.path}/**`]));
  const written = new Map<string, string>();
  if (tag !== undefined) {
    if (plan.writtenEntries.length > 0) written.set('baggage', plan.writtenEntries.map(({ textOf }) => textOf(tag)).join(','));
    for (const { name, valueOf } of plan.writtenHeaders) {
      if (isPlain(valueOf(tag))) written.set(name, valueOf(tag));
      else plan.gap(`the header ${name} is not written for ${tag}: Spring would expand ${JSON.stringify(valueOf(tag))}`);
    }
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
