/** Services of Kubernetes as targets: one for each lane, since a subset of a Service can't say "without a tag". */
import type { Tag } from '@lane/core/model';
import type { Plan, PlannedRoute } from './plan.js';

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

/** A name that Kubernetes takes. */
export function objectName(...parts: readonly string[]): string {
  return parts
    .join('-')
    .toLowerCase()
    .replace(/[^a-z0-9-]+/g, '-')
    .replace(/^-+|-+$/g, '')
    .slice(0, 63);
}
