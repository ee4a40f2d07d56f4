import { nearest as nearestOf } from '@lane/core/model';
import type { LintRule } from '../lint-rule.js';
import { isSameNamespace, selects, textOf } from '../manifests.js';
import { REQUEST_OPTION } from '../source-text.js';

/** A name that may be right is not reported. */
const SURELY = { surely: true };

/** An Ingress names a missing Service. Reported only if a Service has a similar name: others may already be in the cluster. */
export const ingressBackend: LintRule = {
  severity: 'error',
  about: 'An Ingress names a Service that does not exist, while one with a similar name does.',
  *find({ backends, services }) {
    for (const { resource, service, servicePath } of backends) {
      const known = services.filter((one) => isSameNamespace(one.resource, resource)).map((one) => one.resource.name);
      if (known.includes(service)) continue;
      const nearest = nearestOf(service, known, SURELY);
      if (nearest === undefined) continue;
      yield {
        ...resource.place(servicePath),
        resource: resource.title,
        reference: service,
        nearest,
        message: `there is no Service ${service}: did you mean ${nearest}?`,
      };
    }
  },
};

/** An Ingress names a port that its Service does not have. */
export const ingressPort: LintRule = {
  severity: 'error',
  about: 'An Ingress names a port that its Service does not have.',
  *find({ backends, services }) {
    for (const { resource, service, port, portPath } of backends) {
      const target = services.find((one) => one.resource.name === service && isSameNamespace(one.resource, resource));
      // `use-annotation`: the AWS load balancer takes the backend from an annotation.
      if (target === undefined || port === undefined || port === 'use-annotation' || target.ports.length === 0) continue;
      if (target.ports.some((one) => textOf(one.port) === textOf(port) || one.name === port)) continue;
      const known = target.ports.map((one) => (one.name === undefined ? String(one.port) : `${String(one.port)} (${one.name})`)).join(', ');
      yield {
        ...resource.place(portPath),
        resource: resource.title,
        reference: textOf(port),
        message: `Service ${service} has no port ${textOf(port)}: it has ${known}`,
      };
    }
  },
};

/** A Service selects no pods. Reported only if a workload has the same label with a similar value. */
export const serviceSelector: LintRule = {
  severity: 'error',
  about: 'A Service selects no pods, while the pods of a workload have almost the labels that it selects.',
  *find({ services, workloads }) {
    for (const service of services) {
      const { resource, selector } = service;
      if (selector === undefined || workloads.some((workload) => selects(service, workload))) continue;
      for (const [label, wanted] of Object.entries(selector)) {
        const there: unknown[] = workloads.filter((one) => isSameNamespace(one.resource, resource)).flatMap(({ labels }) => labels[label] ?? []);
        if (there.includes(wanted)) continue;
        const nearest = nearestOf(String(wanted), there.map(String), SURELY);
        if (nearest === undefined) continue;
        yield {
          ...resource.place(['spec', 'selector', label]),
          resource: resource.title,
          reference: `${label}=${String(wanted)}`,
          nearest: `${label}=${nearest}`,
          message: `no pod has the label ${label}: ${String(wanted)}: did you mean ${nearest}?`,
        };
      }
    }
  },
};

/**
 * A planned request has a host that no Ingress rule has. A curl line whose host resembles none of them may be meant for something
 * else, so it is a note.
 */
export const requestHost: LintRule = {
  severity: 'error',
  about: 'A curl line sends a Host that no rule of the Ingresses matches.',
  *find({ requests, hosts: all }) {
    if (all.length === 0 || all.includes('*')) return;
    const hosts = [...new Set(all)];
    for (const { host, ...place } of requests) {
      if (NO_NAME.test(host)) continue;
      if (hosts.some((rule) => rule === host || (rule.startsWith('*.') && host.endsWith(rule.slice(1))))) continue;
      const nearest = nearestOf(host, hosts, SURELY) ?? sharingWord(host, hosts);
      yield {
        ...place,
        ...(nearest === undefined && place.file !== REQUEST_OPTION ? { severity: 'note' as const } : {}),
        reference: host,
        ...(nearest === undefined ? {} : { nearest }),
        message: `no Ingress rule has the host ${host}: ${nearest === undefined ? `there are ${hosts.join(', ')}` : `did you mean ${nearest}?`}`,
      };
    }
  },
};

/** Local names and addresses, which are not requested from an Ingress. */
const NO_NAME = /^(?:localhost|[\d.]+)$/;

/** The only host that shares a distinctive word with this one. */
function sharingWord(host: string, hosts: readonly string[]): string | undefined {
  const common = new Set(['www', 'com', 'cn', 'net', 'org', 'io', 'api', 'example']);
  const words = host.split('.').filter((word) => !common.has(word));
  const sharing = hosts.filter((other) => other.split('.').some((word) => words.includes(word)));
  return sharing.length === 1 ? sharing[0] : undefined;
}
