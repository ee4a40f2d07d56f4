import type { ServiceKey, Tag } from '@lane/core';

/** Where requests of a host and path go. */
export interface GatewayRoute {
  /** Compared in lower case, without port; `*` for any. */
  readonly host: string;
  /** Prefix, whole path segments. Default `/`. */
  readonly path?: string;
  readonly service: string;
  /** The registry's group. Default `DEFAULT_GROUP`. */
  readonly group?: string;
  /** In mode `hosts`: the lane that serves; undefined: base. */
  readonly tag?: Tag;
}

/** A route made ready. */
export interface CompiledRoute {
  readonly host: string;
  readonly path: string;
  readonly key: ServiceKey;
  readonly tag: Tag | undefined;
}

/** Makes routes ready: hosts before `*`, longer paths before shorter ones, as Kubernetes Ingress orders them. */
export function compileRoutes(routes: readonly GatewayRoute[]): readonly CompiledRoute[] {
  return routes
    .map(({ host, path = '/', service, group = 'DEFAULT_GROUP', tag }) => ({
      host: host.toLowerCase(),
      path: path.replace(/\/+$/, ''),
      key: { name: service, group },
      tag,
    }))
    .sort((a, b) => Number(a.host === '*') - Number(b.host === '*') || b.path.length - a.path.length);
}

/** The route of a request; undefined where there is none. `host` in lower case, without port. */
export function findRoute(routes: readonly CompiledRoute[], host: string, path: string): CompiledRoute | undefined {
  return routes.find((route) => (route.host === host || route.host === '*') && isBelow(path, route.path));
}

function isBelow(path: string, prefix: string): boolean {
  return path.startsWith(prefix) && (path.length === prefix.length || path.charAt(prefix.length) === '/');
}
