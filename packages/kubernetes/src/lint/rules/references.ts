import type { LintRule } from '../finding.js';
import { selects, textOf } from '../manifests.js';
import { similarName } from '../similar-name.js';

/** An Ingress leads to a Service that is not there. Said only where one of a like name is: others may be in the cluster already. */
export const ingressBackend: LintRule = {
  severity: 'error',
  about: 'An Ingress leads to a Service that does not exist, while one of nearly the same name does.',
  *find({ backends, services }) {
    for (const { resource, service, servicePath } of backends) {
      const known = services.filter((one) => one.resource.namespace === resource.namespace).map((one) => one.resource.name);
      if (known.includes(service)) continue;
      const nearest = similarName(service, known);
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

/** An Ingress asks for a port that its Service does not have. */
export const ingressPort: LintRule = {
  severity: 'error',
  about: 'An Ingress leads to a port that its Service does not have.',
  *find({ backends, services }) {
    for (const { resource, service, port, portPath } of backends) {
      const target = services.find((one) => one.resource.name === service && one.resource.namespace === resource.namespace);
      if (target === undefined || port === undefined || target.ports.length === 0) continue;
      if (target.ports.some((one) => one.port === port || one.name === port)) continue;
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

/** A Service selects no pods. Said only where a workload has the same label with nearly the same value. */
export const serviceSelector: LintRule = {
  severity: 'error',
  about: 'A Service selects no pods, while those of a workload have nearly the labels that it asks for.',
  *find({ services, workloads }) {
    for (const service of services) {
      const { resource, selector } = service;
      if (selector === undefined || workloads.some((workload) => selects(service, workload))) continue;
      for (const [label, wanted] of Object.entries(selector)) {
        const there: unknown[] = workloads
          .filter((one) => one.resource.namespace === resource.namespace)
          .flatMap(({ labels }) => labels[label] ?? []);
        if (there.includes(wanted)) continue;
        const nearest = similarName(String(wanted), there.map(String));
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

/** A request that is to be sent has a host that no Ingress rule has. */
export const requestHost: LintRule = {
  severity: 'error',
  about: 'A curl line sends a Host that no rule of the Ingresses matches.',
  *find({ requests, ingressHosts }) {
    if (ingressHosts.length === 0 || ingressHosts.includes('*')) return;
    const hosts = [...new Set(ingressHosts)];
    for (const { host, ...place } of requests) {
      if (hosts.some((rule) => rule === host || (rule.startsWith('*.') && host.endsWith(rule.slice(1))))) continue;
      const nearest = similarName(host, hosts) ?? sharingWord(host, hosts);
      yield {
        ...place,
        reference: host,
        ...(nearest === undefined ? {} : { nearest }),
        message: `no Ingress rule has the host ${host}: ${nearest === undefined ? `there are ${hosts.join(', ')}` : `did you mean ${nearest}?`}`,
      };
    }
  },
};

/** The only host that has a word of its own in common with this one. */
function sharingWord(host: string, hosts: readonly string[]): string | undefined {
  const common = new Set(['www', 'com', 'cn', 'net', 'org', 'io', 'api', 'example']);
  const words = host.split('.').filter((word) => !common.has(word));
  const sharing = hosts.filter((other) => other.split('.').some((word) => words.includes(word)));
  return sharing.length === 1 ? sharing[0] : undefined;
}
