/** A Service, by its host name. */
export interface ServiceHost {
  readonly name: string;
  /** undefined: that of the caller. */
  readonly namespace: string | undefined;
  /** Whether the name can only be a Service's: `shop.example` may also be a public host. */
  readonly isCertain: boolean;
}

const LABEL = /^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$/;

/**
 * The Service of a host: `name`, `name.namespace`, `name.namespace.svc`, and that with any cluster domain. Single pods
 * (`pod-0.name.namespace.svc`) are not Services: a caller who names one means it.
 */
export function parseServiceHost(host: string): ServiceHost | undefined {
  const lower = host.toLowerCase();
  const labels = (lower.endsWith('.') ? lower.slice(0, -1) : lower).split('.');
  const [name = '', namespace, svc] = labels;
  if (!LABEL.test(name) || name === 'localhost' || (namespace !== undefined && !LABEL.test(namespace))) return undefined;
  if (namespace === undefined) return { name, namespace, isCertain: true };
  if (svc === undefined) return { name, namespace, isCertain: false };
  return svc === 'svc' ? { name, namespace, isCertain: true } : undefined;
}
