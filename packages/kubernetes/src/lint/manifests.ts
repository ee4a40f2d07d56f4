/** What several manifests say together: workloads with their pods, Services and what they select, Ingresses and where they lead. */
import { MSE_SERVICE_LABEL, MSE_TAG_LABEL, SERVICE_LABEL, TAG_LABEL } from '../injector/names.js';
import type { Path, Resource, StatedRequest } from './source-text.js';

type Strings = Readonly<Record<string, unknown>>;

/** A port of a container. */
export interface ContainerPort {
  readonly name: string | undefined;
  readonly port: number | undefined;
  readonly protocol: string;
}

/** A container of a pod. */
export interface LintedContainer {
  readonly name: string;
  readonly path: Path;
  readonly ports: readonly ContainerPort[];
  readonly env: ReadonlyArray<{ readonly name: string; readonly value: unknown; readonly path: Path }>;
  readonly value: Readonly<Record<string, unknown>>;
}

/** Whatever makes pods, or is one. */
export interface Workload {
  readonly resource: Resource;
  readonly labels: Strings;
  readonly labelsPath: Path;
  readonly containers: readonly LintedContainer[];
  /** The name under which its pods are one service; undefined: its labels do not say. */
  readonly service: string | undefined;
  readonly tag: string | undefined;
}

/** A Kubernetes Service. */
export interface KubernetesService {
  readonly resource: Resource;
  readonly selector: Strings | undefined;
  readonly ports: ReadonlyArray<{ readonly name: string | undefined; readonly port: unknown; readonly targetPort: unknown }>;
}

/** Where an Ingress leads. */
export interface IngressBackend {
  readonly resource: Resource;
  readonly service: string;
  readonly servicePath: Path;
  readonly port: unknown;
  readonly portPath: Path;
}

/** All that is linted together. */
export interface Manifests {
  readonly resources: readonly Resource[];
  readonly workloads: readonly Workload[];
  readonly services: readonly KubernetesService[];
  readonly backends: readonly IngressBackend[];
  /** Hosts of Ingress rules; `*` for a rule without one. */
  readonly ingressHosts: readonly string[];
  readonly requests: readonly StatedRequest[];
}

const POD_PATHS: Readonly<Record<string, Path>> = {
  Pod: [],
  Deployment: ['spec', 'template'],
  StatefulSet: ['spec', 'template'],
  DaemonSet: ['spec', 'template'],
  ReplicaSet: ['spec', 'template'],
  Job: ['spec', 'template'],
  CronJob: ['spec', 'jobTemplate', 'spec', 'template'],
};

/** Puts resources into relation. */
export function relate(resources: readonly Resource[], requests: readonly StatedRequest[]): Manifests {
  const ingresses = resources.filter(({ kind }) => kind === 'Ingress');
  return {
    resources,
    workloads: resources.flatMap((resource) => {
      const path = POD_PATHS[resource.kind];
      return path === undefined ? [] : [workloadOf(resource, path)];
    }),
    services: resources.filter(({ kind, apiVersion }) => kind === 'Service' && apiVersion === 'v1').map(serviceOf),
    backends: ingresses.flatMap(backendsOf),
    ingressHosts: ingresses.flatMap(({ value }) => listAt(value, ['spec', 'rules']).map((rule) => textOf(at(rule, ['host']) ?? '*').toLowerCase())),
    requests,
  };
}

/** Whether a Service selects the pods of a workload. */
export function selects({ resource, selector }: KubernetesService, workload: Workload): boolean {
  if (selector === undefined || resource.namespace !== workload.resource.namespace) return false;
  return Object.entries(selector).every(([name, value]) => workload.labels[name] === value);
}

/** The value at a path, or undefined. */
export function at(value: unknown, path: Path): unknown {
  let current = value;
  for (const step of path) {
    if (current === null || typeof current !== 'object') return undefined;
    current = (current as Record<string | number, unknown>)[step];
  }
  return current;
}

/** The list at a path; none where there is none. */
export function listAt(value: unknown, path: Path): readonly unknown[] {
  const list = at(value, path);
  return Array.isArray(list) ? list : [];
}

function mapAt(value: unknown, path: Path): Strings {
  const map = at(value, path);
  return map !== null && typeof map === 'object' && !Array.isArray(map) ? (map as Strings) : {};
}

function workloadOf(resource: Resource, pod: Path): Workload {
  const { value } = resource;
  const labelsPath = [...pod, 'metadata', 'labels'];
  const labels = mapAt(value, labelsPath);
  const containers = ['initContainers', 'containers'].flatMap((list) =>
    listAt(value, [...pod, 'spec', list]).map((container, i) => containerOf(container, [...pod, 'spec', list, i])),
  );
  return {
    resource,
    labels,
    labelsPath,
    containers,
    service: textAt(labels, SERVICE_LABEL) ?? textAt(labels, MSE_SERVICE_LABEL),
    tag: textAt(labels, TAG_LABEL) ?? textAt(labels, MSE_TAG_LABEL),
  };
}

function containerOf(value: unknown, path: Path): LintedContainer {
  return {
    name: textOf(at(value, ['name']) ?? ''),
    path,
    ports: listAt(value, ['ports']).map((port) => ({
      name: at(port, ['name']) as string | undefined,
      port: at(port, ['containerPort']) as number | undefined,
      protocol: textOf(at(port, ['protocol']) ?? 'TCP'),
    })),
    env: listAt(value, ['env']).map((variable, i) => ({
      name: textOf(at(variable, ['name']) ?? ''),
      value: at(variable, ['value']),
      path: [...path, 'env', i],
    })),
    value: (value ?? {}) as Record<string, unknown>,
  };
}

function serviceOf(resource: Resource): KubernetesService {
  const { value } = resource;
  const selector = mapAt(value, ['spec', 'selector']);
  return {
    resource,
    selector: Object.keys(selector).length === 0 ? undefined : selector,
    ports: listAt(value, ['spec', 'ports']).map((port) => ({
      name: at(port, ['name']) as string | undefined,
      port: at(port, ['port']),
      targetPort: at(port, ['targetPort']),
    })),
  };
}

/** Of both versions of the API: `service: {name, port}`, and before 1.19 `serviceName` with `servicePort`. */
function backendsOf(resource: Resource): IngressBackend[] {
  const { value } = resource;
  const paths: Path[] = [
    ['spec', 'defaultBackend'],
    ['spec', 'backend'],
  ];
  listAt(value, ['spec', 'rules']).forEach((rule, i) =>
    listAt(rule, ['http', 'paths']).forEach((_, j) => paths.push(['spec', 'rules', i, 'http', 'paths', j, 'backend'])),
  );
  return paths.flatMap((path) => {
    const old = at(value, [...path, 'serviceName']);
    const service = old ?? at(value, [...path, 'service', 'name']);
    if (typeof service !== 'string') return [];
    if (old !== undefined)
      return [
        { resource, service, servicePath: [...path, 'serviceName'], port: at(value, [...path, 'servicePort']), portPath: [...path, 'servicePort'] },
      ];
    const port = at(value, [...path, 'service', 'port', 'number']) ?? at(value, [...path, 'service', 'port', 'name']);
    return [{ resource, service, servicePath: [...path, 'service', 'name'], port, portPath: [...path, 'service', 'port'] }];
  });
}

function textAt(labels: Strings, name: string): string | undefined {
  const value = labels[name];
  return value === undefined || value === null || value === '' ? undefined : textOf(value);
}

/** A scalar as it stands in the file; what should be one and is not, as JSON. */
export function textOf(value: unknown): string {
  return typeof value === 'string' ? value : JSON.stringify(value);
}
