/**
 * Istio: a VirtualService for each host, and EnvoyFilters for its ingress gateway: one that cleans the client's baggage and writes the
 * tag, and one that names the lane of each route to it.
 */
import type { Tag } from '@lane/core/model';
import { alternativesOf, encodedText, escapeRegex, wholeRegex, type Leaf } from './condition.js';
import { headerTest, noteTwice } from './envoy-match.js';
import { objectNames, serviceFor } from './kubernetes-service.js';
import { envoyLua } from './lua.js';
import { hostsOf, routesOfHost, takesEveryPath, type Plan, type PlannedRoute, type PlannedRule } from './plan.js';
import type { ExportTarget } from './target.js';
import { toYaml } from './yaml.js';

/** Istio. */
export const istio: ExportTarget = {
  name: 'istio',
  title: 'Istio 1.22 or later',
  output: 'VirtualServices, EnvoyFilters',
  file: 'lane-istio.yaml',
  needsAddresses: false,
  write: (plan) => toYaml(...objectsOf(plan)),
};

const SELECTOR = { istio: 'ingressgateway' };

interface Match {
  uri?: object;
  method?: object;
  authority?: object;
  headers?: Record<string, object>;
  withoutHeaders?: Record<string, object>;
  queryParams?: Record<string, object>;
}

function objectsOf(plan: Plan): object[] {
  const services = objectNames();
  // The filter finds a route's lane by its name, on any host.
  const nameOf = objectNames();
  const lanes = new Map<string, Tag>();
  const virtualServices = hostsOf(plan).map((host) => {
    const http: object[] = [];
    for (const route of routesOfHost(plan, host)) {
      for (const rule of route.rules) {
        const match = matchesOf(plan, route, rule);
        if (match === undefined) continue;
        const name = nameOf('lane', rule.tag, rule.name);
        http.push(weighted(plan, route, rule, name, match));
        if (rule.percent === undefined) lanes.set(name, rule.tag);
      }
      const name = nameOf('lane', route.tag ?? 'base', route.service);
      if (route.tag !== undefined) lanes.set(name, route.tag);
      http.push({ name, match: [{ uri: uriOf(route) }], route: [{ destination: destination(plan, route, route.tag) }] });
    }
    return {
      apiVersion: 'networking.istio.io/v1',
      kind: 'VirtualService',
      metadata: { name: services('lane', host === '*' ? 'any' : host) },
      spec: { hosts: [host], gateways: ['lane-gateway'], http },
    };
  });
  plan.note('the VirtualServices are bound to a Gateway named lane-gateway: create it, or put the name of yours');
  for (const { name } of plan.writtenHeaders) plan.gap(`the header ${name} is not written: only baggage is`);
  const context = 'GATEWAY';
  const filter = {
    apiVersion: 'networking.istio.io/v1alpha3',
    kind: 'EnvoyFilter',
    metadata: { name: 'lane-baggage', namespace: 'istio-system' },
    spec: {
      workloadSelector: { labels: SELECTOR },
      configPatches: [
        {
          applyTo: 'HTTP_FILTER',
          match: {
            context,
            listener: {
              filterChain: { filter: { name: 'envoy.filters.network.http_connection_manager', subFilter: { name: 'envoy.filters.http.router' } } },
            },
          },
          patch: {
            operation: 'INSERT_BEFORE',
            value: {
              name: 'envoy.filters.http.lua',
              typed_config: {
                '@type': 'type.googleapis.com/envoy.extensions.filters.http.lua.v3.Lua',
                default_source_code: { inline_string: envoyLua(plan, 'handle:metadata():get("lane")') },
              },
            },
          },
        },
        ...[...lanes].map(([name, lane]) => ({
          applyTo: 'HTTP_ROUTE',
          match: { context, routeConfiguration: { vhost: { route: { name } } } },
          patch: { operation: 'MERGE', value: { metadata: { filter_metadata: { 'envoy.filters.http.lua': { lane } } } } },
        })),
      ],
    },
  };
  return [...virtualServices, filter];
}

function destination(plan: Plan, route: PlannedRoute, tag: Tag | undefined): object {
  const { name, port } = serviceFor(plan, route, tag);
  return { host: name, port: { number: port } };
}

function weighted(plan: Plan, route: PlannedRoute, rule: PlannedRule, name: string, match: readonly Match[]): object {
  if (rule.percent === undefined) return { name, match, route: [{ destination: destination(plan, route, rule.tag) }] };
  const weight = Math.round(rule.percent);
  if (weight !== rule.percent) plan.gap(`weights are whole numbers: ${weight} % instead of ${rule.percent} %`, rule);
  plan.gap('requests of the share in the lane lose the client’s other baggage', rule);
  if (rule !== route.rules.at(-1)) plan.gap('requests outside the share go to base at once: later rules are not tried', rule);
  const set = { baggage: plan.writtenEntries.map(({ textOf }) => textOf(rule.tag)).join(',') };
  return {
    name,
    match,
    route: [
      { destination: destination(plan, route, rule.tag), weight, headers: { request: { set } } },
      { destination: destination(plan, route, route.tag), weight: 100 - weight },
    ],
  };
}

function uriOf(route: PlannedRoute): object {
  if (takesEveryPath(route)) return { prefix: '/' };
  // Istio's prefix is textual; ours counts whole segments.
  return route.pathType === 'exact' ? { exact: route.path } : { regex: `${escapeRegex(route.path)}(?:/.*)?` };
}

/** The alternatives of a rule; undefined, and a report, if it can't be expressed. */
function matchesOf(plan: Plan, route: PlannedRoute, rule: PlannedRule): Match[] | undefined {
  if (rule.percent === 0) return undefined;
  const leaveOut = (why: string): undefined => {
    plan.gap(`${why}; the rule is left out`, rule);
  };
  if (rule.by !== undefined) return leaveOut('a sticky share can’t be expressed');
  const alternatives = rule.condition === undefined ? [[]] : alternativesOf(rule.condition);
  if (alternatives === undefined) return leaveOut('the condition has too many alternatives');
  noteTwice(plan, rule, alternatives.flat(), ['cookie']);
  const matches: Match[] = [];
  for (const leaves of alternatives) {
    const match: Match = { uri: uriOf(route) };
    for (const leaf of leaves) {
      const problem = addTo(match, leaf, route);
      if (problem !== undefined) return leaveOut(problem);
    }
    matches.push(match);
  }
  return matches;
}

/** Adds a comparison to a match; a string: why that is impossible. */
function addTo(match: Match, leaf: Leaf, route: PlannedRoute): string | undefined {
  const { subject, comparison, negated } = leaf;
  if (subject.kind === 'clientIp') return 'clients’ addresses can’t be matched';
  if (subject.kind === 'header' || subject.kind === 'cookie') {
    const test = headerTest(leaf);
    if (typeof test === 'string') return test;
    const into = negated ? (match.withoutHeaders ??= {}) : (match.headers ??= {});
    if (Object.hasOwn(into, test.name)) return `two comparisons of the header ${test.name}`;
    const { match: value } = test;
    into[test.name] = value !== undefined && 'suffix' in value ? { regex: `.*${escapeRegex(value.suffix)}` } : (value ?? {});
    return undefined;
  }
  if (negated) return `a negation on the ${subject.kind} can’t be expressed`;
  if (subject.kind === 'query') {
    const params = (match.queryParams ??= {});
    if (Object.hasOwn(params, subject.name)) return `two comparisons of the query ${subject.name}`;
    params[subject.name] = comparison.op === 'present' ? {} : { regex: wholeRegex(comparison, encodedText('query')) };
    return undefined;
  }
  const regex = comparison.op === 'present' ? '.*' : wholeRegex(comparison);
  if (subject.kind === 'method') {
    if (match.method !== undefined) return 'two comparisons of the method';
    match.method = { regex: `(?i)${regex}` };
  } else if (subject.kind === 'host') {
    if (match.authority !== undefined) return 'two comparisons of the host';
    const test = headerTest(leaf);
    if (typeof test === 'string') return test;
    match.authority = test.match as object;
  } else {
    if (route.path !== '/' || (match.uri as { prefix?: string }).prefix !== '/') return 'a comparison of the path on a route that has one';
    match.uri = { regex };
  }
  return undefined;
}
