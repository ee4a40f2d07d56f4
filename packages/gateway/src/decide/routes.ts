/** Finds a request's route by host and path, with the precedence of Kubernetes Ingress. */
import { compileLaneGroups, type EntryRule, type EntryRules, type RequestView } from '@lane/core/rules';
import type { ServiceKey, Tag } from '@lane/core/model';
import { normalizePath } from './request-path.js';
import { varyOfRules } from './vary.js';

/** How a path matches: `prefix` by whole segments, `exact` as a whole. */
export type PathType = 'prefix' | 'exact';

/** Where requests go. */
export interface RouteTarget {
  readonly service: string;
  /** The registry's group. Default `DEFAULT_GROUP`. */
  readonly group?: string;
  /** In mode `hosts`: the lane that serves; undefined: base. In mode `rules`: the tag of requests that no rule matches. */
  readonly tag?: Tag;
}

/** A target for some requests of a route, from a canary Ingress. */
export interface Canary {
  readonly target: RouteTarget;
  /** Tried in order; one of name {@link STAYS} keeps a request on the route's own target. */
  readonly rules: readonly EntryRule[];
}

/** Name of a canary's rule that keeps requests away from it. */
export const STAYS = 'stays';

/** Where requests of a host and path go. */
export interface GatewayRoute extends RouteTarget {
  /** Compared in lower case, without port; `*.example.com` for one label before it; `*` for any. */
  readonly host: string;
  /** Default `/`. */
  readonly path?: string;
  /** Default `prefix`. */
  readonly pathType?: PathType;
  /** Takes what no other route does, regardless of `host` and `path`. */
  readonly isDefault?: boolean;
  readonly canaries?: readonly Canary[];
  /** Why the route leads nowhere: requests get 503 with this text. */
  readonly problem?: string;
}

/** A compiled target. */
export interface CompiledTarget {
  readonly key: ServiceKey;
  readonly tag: Tag | undefined;
}

/** A compiled route. */
export interface CompiledRoute extends CompiledTarget {
  readonly host: string;
  readonly path: string;
  readonly problem: string | undefined;
  /** What its canaries look at, for `Vary`. */
  readonly vary: string | undefined;
  readonly canaries: ReadonlyArray<{ readonly target: CompiledTarget; readonly rules: EntryRules }>;
}

interface HostRoutes {
  readonly exact: Map<string, CompiledRoute>;
  /** Longest first. */
  readonly prefixes: CompiledRoute[];
}

/** All routes, ready for look-ups. */
export interface RouteTable {
  /** As given, except duplicates of a host and path: the first counts. */
  readonly routes: readonly CompiledRoute[];
  readonly hosts: ReadonlyMap<string, HostRoutes>;
  /** By what follows the `*`. */
  readonly wildcards: ReadonlyMap<string, HostRoutes>;
  readonly anyHost: HostRoutes;
  readonly fallback: CompiledRoute | undefined;
}

/**
 * Compiles routes. A host goes before `*.domain`, which goes before `*`; then an exact path before a prefix, and longer
 * prefixes before shorter ones. If no route of its host takes a request's path, the next less specific host is tried.
 */
export function compileRoutes(routes: readonly GatewayRoute[]): RouteTable {
  const hosts = new Map<string, HostRoutes>();
  const wildcards = new Map<string, HostRoutes>();
  const anyHost = emptyHost();
  const compiled: CompiledRoute[] = [];
  let fallback: CompiledRoute | undefined;
  for (const route of routes) {
    const ready = compileRoute(route);
    if (route.isDefault === true) {
      fallback ??= ready;
      compiled.push(ready);
      continue;
    }
    const of = ready.host === '*' ? anyHost : ready.host.startsWith('*.') ? hostOf(wildcards, ready.host.slice(1)) : hostOf(hosts, ready.host);
    if (route.pathType === 'exact') {
      const { path } = ready;
      if (of.exact.has(path)) continue;
      of.exact.set(path, ready);
    } else {
      if (of.prefixes.some(({ path }) => path === ready.path)) continue;
      of.prefixes.push(ready);
    }
    compiled.push(ready);
  }
  for (const { prefixes } of [anyHost, ...hosts.values(), ...wildcards.values()]) prefixes.sort((a, b) => b.path.length - a.path.length);
  return { routes: compiled, hosts, wildcards, anyHost, fallback };
}

/** The route of a request; undefined if there is none. `host` in lower case, without port. */
export function findRoute(table: RouteTable, host: string, path: string): CompiledRoute | undefined {
  const own = table.hosts.get(host);
  let found = own === undefined ? undefined : findPath(own, path);
  if (found === undefined && table.wildcards.size > 0) {
    // The star stands for exactly one label.
    const dot = host.indexOf('.');
    const wild = dot <= 0 ? undefined : table.wildcards.get(host.slice(dot));
    if (wild !== undefined) found = findPath(wild, path);
  }
  return found ?? findPath(table.anyHost, path) ?? table.fallback;
}

/** The target of a request on its route: the first matching canary's, else the route's own. */
export function targetOf(route: CompiledRoute, view: RequestView, random: () => number): CompiledTarget {
  for (const { target, rules } of route.canaries) {
    const match = rules.match(view, random);
    if (match !== undefined && match.rule !== STAYS) return target;
  }
  return route;
}

/** All services that routes lead to. */
export function servicesOf(table: RouteTable): ServiceKey[] {
  const keys = new Map<string, ServiceKey>();
  for (const route of table.routes) {
    if (route.problem !== undefined) continue;
    for (const { key } of [route, ...route.canaries.map(({ target }) => target)]) keys.set(`${key.group}@@${key.name}`, key);
  }
  return [...keys.values()];
}

function compileRoute(route: GatewayRoute): CompiledRoute {
  const { host, pathType = 'prefix', canaries = [], problem } = route;
  const path = normalizePath(route.path ?? '/');
  return {
    ...compileTarget(route),
    host: host.toLowerCase(),
    path: pathType === 'exact' ? path : path.replace(/\/+$/, ''),
    problem,
    vary: varyOfRules(
      canaries.flatMap(({ rules }) => rules),
      [],
    ),
    canaries: canaries.map(({ target, rules }) => ({ target: compileTarget(target), rules: compileCanaryRules(rules) })),
  };
}

function compileTarget({ service, group = 'DEFAULT_GROUP', tag }: RouteTarget): CompiledTarget {
  return { key: { name: service, group }, tag };
}

/** Canaries use the matchers of lane groups. */
function compileCanaryRules(rules: readonly EntryRule[]): EntryRules {
  const name = 'canary';
  const lanes = [{ name, tag: name, rules }];
  const compiled = compileLaneGroups({ version: 1, groups: [{ name, services: [name], entry: { services: [name] }, lanes }] });
  return compiled.entryOf(name) ?? { match: () => undefined };
}

function emptyHost(): HostRoutes {
  return { exact: new Map(), prefixes: [] };
}

function hostOf(hosts: Map<string, HostRoutes>, host: string): HostRoutes {
  let routes = hosts.get(host);
  if (routes === undefined) hosts.set(host, (routes = emptyHost()));
  return routes;
}

function findPath({ exact, prefixes }: HostRoutes, path: string): CompiledRoute | undefined {
  const whole = exact.size === 0 ? undefined : exact.get(path);
  if (whole !== undefined) return whole;
  for (const route of prefixes) if (isBelow(path, route.path)) return route;
  return undefined;
}

function isBelow(path: string, prefix: string): boolean {
  return path.startsWith(prefix) && (path.length === prefix.length || path.charAt(prefix.length) === '/');
}
