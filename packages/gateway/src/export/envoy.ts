/**
 * Envoy: a bootstrap with one listener. A rule is a route for each of its alternatives, tried in order; the route's metadata names the
 * lane, and a filter in Lua writes it into the baggage.
 */
import { isIP } from 'node:net';
import type { Tag } from '@lane/core/model';
import { alternativesOf, escapeRegex, type Leaf } from './condition.js';
import { headerTest, noteTwice, type HeaderTest } from './envoy-match.js';
import { envoyLua } from './lua.js';
import { orderedRoutes, takesEveryPath, wholeWeights, type Plan, type PlannedRoute, type PlannedRule, type Upstream } from './plan.js';
import type { ExportTarget } from './target.js';
import { toYaml } from './yaml.js';

const LUA = 'envoy.filters.http.lua';
const TYPES = 'type.googleapis.com/envoy.extensions';

/** Envoy. */
export const envoy: ExportTarget = {
  name: 'envoy',
  title: 'Envoy 1.31 or later',
  output: 'a bootstrap',
  file: 'envoy.yaml',
  needsAddresses: true,
  write: (plan) => toYaml({ layered_runtime: ENVOY_RUNTIME, static_resources: { listeners: [envoyListener(plan)], clusters: envoyClusters(plan) } }),
};

/** Without this, Envoy refuses regular expressions of more than 100 instructions, and with them the whole configuration; Istio sets 32,768, too. */
export const ENVOY_RUNTIME = { layers: [{ name: 'lane', static_layer: { 're2.max_program_size.error_level': 32_768 } }] };

/** The listener, with all routes; protobuf's JSON of envoy.config.listener.v3.Listener. */
export function envoyListener(plan: Plan, routes: object = { route_config: envoyRoutes(plan) }): object {
  const typed_config = {
    '@type': `${TYPES}.filters.network.http_connection_manager.v3.HttpConnectionManager`,
    stat_prefix: 'lane',
    use_remote_address: true,
    upgrade_configs: [{ upgrade_type: 'websocket' }],
    ...routes,
    http_filters: [
      {
        name: LUA,
        typed_config: {
          '@type': `${TYPES}.filters.http.lua.v3.Lua`,
          default_source_code: { inline_string: envoyLua(plan, 'handle:metadata():get("lane")') },
          clear_route_cache: false,
        },
      },
      { name: 'envoy.filters.http.router', typed_config: { '@type': `${TYPES}.filters.http.router.v3.Router` } },
    ],
  };
  return {
    name: 'lane',
    address: { socket_address: { address: '0.0.0.0', port_value: plan.port } },
    filter_chains: [{ filters: [{ name: 'envoy.filters.network.http_connection_manager', typed_config }] }],
  };
}

/** All routes; protobuf's JSON of envoy.config.route.v3.RouteConfiguration. */
export function envoyRoutes(plan: Plan): object {
  const routes: object[] = [];
  for (const route of orderedRoutes(plan)) {
    for (const { alternative, rule, threshold } of branchesOf(plan, route)) routes.push(routeOf(route, rule.tag, alternative, threshold));
    routes.push(routeOf(route, route.tag, [], undefined));
  }
  for (const { name } of plan.writtenHeaders) plan.gap(`the header ${name} is not written: only baggage is`);
  return { name: 'lane', virtual_hosts: [{ name: 'lane', domains: ['*'], routes }] };
}

/** All clusters; protobuf's JSON of envoy.config.cluster.v3.Cluster. */
export function envoyClusters(plan: Plan): object[] {
  return plan.upstreams.map((upstream) =>
    envoyCluster(upstream.name, { ...(hasNumbersOnly(upstream) ? { type: 'STATIC' } : ENVOY_DNS), load_assignment: envoyEndpoints(upstream) }),
  );
}

/** Names are resolved, and IPv4 or IPv6 is used, whichever answers: an instance may listen on one of them only. */
export const ENVOY_DNS = { type: 'STRICT_DNS', dns_lookup_family: 'ALL' };

/** A cluster that finds its instances through `source`. */
export function envoyCluster(name: string, source: object): object {
  return { name, connect_timeout: '3s', typed_extension_protocol_options: UPSTREAM_OPTIONS, ...source };
}

/** Whether all instances have addresses, and no name has to be resolved. */
export function hasNumbersOnly({ instances }: Upstream): boolean {
  return instances.every(({ ip }) => isIP(ip) !== 0);
}

/** Envoy closes idle connections before Node's servers do (`keepAliveTimeout`, 5 s), which could lose the next request. */
const UPSTREAM_OPTIONS = {
  'envoy.extensions.upstreams.http.v3.HttpProtocolOptions': {
    '@type': `${TYPES}.upstreams.http.v3.HttpProtocolOptions`,
    common_http_protocol_options: { idle_timeout: '4s' },
    explicit_http_config: { http_protocol_options: {} },
  },
};

/** Like Lane's own gateway: skips an unreachable instance, at most twice, and never sends a request again. */
const RETRY = {
  retry_on: 'connect-failure',
  num_retries: 2,
  retry_host_predicate: [
    {
      name: 'envoy.retry_host_predicates.previous_hosts',
      typed_config: { '@type': `${TYPES}.retry.host.previous_hosts.v3.PreviousHostsPredicate` },
    },
  ],
  host_selection_retry_max_attempts: 5,
};

/** The instances of an upstream; protobuf's JSON of envoy.config.endpoint.v3.ClusterLoadAssignment. */
export function envoyEndpoints({ name, instances }: Upstream): object {
  const weights = wholeWeights(instances);
  const lb_endpoints = instances.map(({ ip, port }, i) => ({
    endpoint: { address: { socket_address: { address: ip, port_value: port } } },
    load_balancing_weight: weights[i],
  }));
  return { cluster_name: name, endpoints: [{ lb_endpoints }] };
}

/** One alternative of a rule, as a target without nesting needs it. */
export interface Branch {
  readonly rule: PlannedRule;
  readonly alternative: readonly HeaderTest[];
  /** In steps of a ten-thousandth; undefined: all. */
  readonly threshold: number | undefined;
}

/** The rules of a route as alternatives of header tests; reports and skips the others. */
export function branchesOf(plan: Plan, route: PlannedRoute): Branch[] {
  const branches: Branch[] = [];
  const drawn: Array<{ condition: string; share: number }> = [];
  for (const rule of route.rules) {
    if (rule.percent === 0) continue;
    if (rule.by !== undefined) {
      plan.gap('a sticky share can’t be expressed; the rule is left out', rule);
      continue;
    }
    const alternatives = rule.condition === undefined ? [[]] : alternativesOf(rule.condition);
    if (alternatives === undefined) {
      plan.gap('the condition has too many alternatives; the rule is left out', rule);
      continue;
    }
    const tests = alternatives.map((leaves: readonly Leaf[]) => leaves.map(headerTest));
    const problem = tests.flat().find((test) => typeof test === 'string');
    if (problem !== undefined) {
      plan.gap(`${problem}; the rule is left out`, rule);
      continue;
    }
    noteTwice(plan, rule, alternatives.flat(), ['cookie', 'query']);
    let threshold: number | undefined;
    if (rule.percent !== undefined) {
      // All routes of a request share one random number: an earlier rule's share is already taken.
      const condition = JSON.stringify(rule.condition ?? null);
      const before = drawn.find((one) => one.condition === condition);
      if (before === undefined && drawn.length > 0) plan.gap('shares of rules with different conditions are not independent of each other', rule);
      const taken = before?.share ?? 0;
      const share = taken + (1 - taken) * (rule.percent / 100);
      if (before === undefined) drawn.push({ condition, share });
      else before.share = share;
      threshold = Math.round(share * 10_000);
    }
    for (const alternative of tests) branches.push({ rule, alternative: alternative as HeaderTest[], threshold });
  }
  return branches;
}

function routeOf(route: PlannedRoute, tag: Tag | undefined, tests: readonly HeaderTest[], threshold: number | undefined): object {
  const headers = [...hostTest(route), ...tests].map(headerMatcher);
  const match = {
    ...(takesEveryPath(route) ? { prefix: '/' } : route.pathType === 'exact' ? { path: route.path } : { path_separated_prefix: route.path }),
    ...(headers.length === 0 ? {} : { headers }),
    ...(threshold === undefined ? {} : { runtime_fraction: { default_value: { numerator: threshold, denominator: 'TEN_THOUSAND' } } }),
  };
  const upstream = route.upstreamOf(tag);
  return {
    match,
    ...(tag === undefined ? {} : { metadata: { filter_metadata: { [LUA]: { lane: tag } } } }),
    ...(upstream === undefined
      ? { direct_response: { status: 503, body: { inline_string: `no instance of ${route.service} for this lane\n` } } }
      : { route: { cluster: upstream.name, timeout: '0s', idle_timeout: '300s', retry_policy: RETRY } }),
  };
}

function hostTest({ host, isDefault }: PlannedRoute): HeaderTest[] {
  if (isDefault || host === '*') return [];
  const pattern = host.startsWith('*.') ? `[^.:]+${escapeRegex(host.slice(1))}` : escapeRegex(host);
  return [{ name: ':authority', match: { regex: `(?i)${pattern}(?::\\d+)?` }, negated: false }];
}

function headerMatcher({ name, match, negated }: HeaderTest): object {
  if (match === undefined) return { name, present_match: !negated };
  const string_match = 'regex' in match ? { safe_regex: match } : match;
  // An absent header fulfils negations.
  return { name, string_match, ...(negated ? { invert_match: true, treat_missing_header_as_empty: true } : {}) };
}
