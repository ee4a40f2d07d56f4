/** Kubernetes Services as targets: one for each lane, because a subset of a Service can't mean "without a tag". */
import type { Tag } from '@lane/core/model';
import { uniqueNames, type Plan, type PlannedRoute } from './plan.js';

/** A Service and its port. */
export interface ServiceAddress {
  readonly name: string;
  readonly port: number;
}

const DEFAULT_PORT = 80;

/** The Service for a tag on a route: the given address, else the name `service` or `service-tag`. */
export function serviceFor(plan: Plan, route: PlannedRoute, tag: Tag | undefined): ServiceAddress {
  const [given] = route.upstreamOf(tag)?.instances ?? [];
  if (given !== undefined) return { name: given.ip, port: given.port };
  const name = tag === undefined ? route.service : `${route.service}-${tag}`;
  plan.note(
    `Service ${name}, port ${DEFAULT_PORT}, is assumed for ${route.service}${tag === undefined ? '' : ` in lane ${tag}`}: set it with --upstream ${route.service}${tag === undefined ? '' : `:${tag}`}=name:port`,
  );
  return { name, port: DEFAULT_PORT };
}

/** Creates distinct valid Kubernetes object names (RFC 1123 labels) from parts. */
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
