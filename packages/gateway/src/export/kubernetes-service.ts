/** Services of Kubernetes as targets: one for each lane, since a subset of a Service can't say "without a tag". */
import type { Tag } from '@lane/core/model';
import { uniqueNames, type Plan, type PlannedRoute } from './plan.js';

/** A Service and its port. */
export interface ServiceAddress {
  readonly name: string;
  readonly port: number;
}

const DEFAULT_PORT = 80;

/** The Service that serves a tag on a route: the one given as address, else that of the name `service` or `service-tag`. */
export function serviceFor(plan: Plan, route: PlannedRoute, tag: Tag | undefined): ServiceAddress {
  const [given] = route.upstreamOf(tag)?.instances ?? [];
  if (given !== undefined) return { name: given.ip, port: given.port };
  const name = tag === undefined ? route.service : `${route.service}-${tag}`;
  plan.note(
    `Service ${name}, port ${DEFAULT_PORT}, is taken for ${route.service}${tag === undefined ? '' : ` in lane ${tag}`}: give it by --upstream ${route.service}${tag === undefined ? '' : `:${tag}`}=name:port`,
  );
  return { name, port: DEFAULT_PORT };
}

/** Makes names that Kubernetes takes for its objects (RFC 1123 labels), of these parts, each another one. */
export function objectNames(): (...parts: readonly string[]) => string {
  const unique = uniqueNames(63);
  return (...parts) => {
    const label = parts
      .join('-')
      .toLowerCase()
      .replace(/[^a-z0-9-]+/g, '-')
      .replace(/^-+/, '')
      .slice(0, 63)
      .replace(/-+$/, '');
    return unique(label);
  };
}
