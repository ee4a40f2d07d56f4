/** Relates manifests to one another: workloads and their pods, Services and what they select, Ingresses and their backends. */
import { MSE_SERVICE_LABEL, MSE_TAG_LABEL, SERVICE_LABEL, TAG_LABEL } from '../injector/names.js';
import { parse } from 'yaml';
import { isLaneGroups, type Path, type Resource, type StatedRequest } from './source-text.js';

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

/** A workload that creates pods, or a pod. */
export interface Workload {
  readonly resource: Resource;
  readonly labels: Strings;
  readonly containers: readonly LintedContainer[];
  /** The service name of its pods; undefined: not declared here, only the app knows it. */
  readonly service: string | undefined;
  readonly tag: string | undefined;
  /** Where the name is declared. */
  readonly tagPath: Path;
  /** A kustomize patch is part of a workload: fields that it lacks may be elsewhere. */
  readonly isPatch: boolean;
}

/** A Kubernetes Service. */
export interface KubernetesService {
  readonly resource: Resource;
  readonly selector: Strings | undefined;
  readonly ports: ReadonlyArray<{ readonly name: string | undefined; readonly port: unknown; readonly targetPort: unknown }>;
}

/** A backend of an Ingress, or of a route of the Gateway API. */
export interface Backend {
  readonly resource: Resource;
  readonly service: string;
  readonly servicePath: Path;
  readonly port: unknown;
  readonly portPath: Path;
}

/** A document of lane groups. */
export interface LaneGroupsText {
  /** The document, or the ConfigMap with it. */
  readonly resource: Resource;
  /** Its path in the ConfigMap; undefined: it is a separate document. */
  readonly inside: Path | undefined;
  /** As plain values, unchecked. */
  readonly value: unknown;
}

/** Everything that is linted together. */
export interface Manifests {
  readonly resources: readonly Resource[];
  readonly workloads: readonly Workload[];
  readonly services: readonly KubernetesService[];
  readonly backends: readonly Backend[];
  /** Hosts for which Ingresses and routes accept requests; `*`: any. */
  readonly hosts: readonly string[];
  readonly requests: readonly StatedRequest[];
  readonly laneGroups: readonly LaneGroupsText[];
}

/** Paths to pod templates: of Kubernetes' own kinds, and of similar ones (Rollout, CloneSet). */
function podPath({ kind, apiVersion, value }: Resource): Path | undefined {
  if (kind === 'Pod' && apiVersion === 'v1') return [];
  const path = kind === 'CronJob' ? ['spec', 'jobTemplate', 'spec', 'template'] : ['spec', 'template'];
  return Array.isArray(at(value, [...path, 'spec', 'containers'])) ? path : undefined;
}

/** Relates resources to one another. `laneGroups`: documents of lane groups that are not resources. */
export function relate(resources: readonly Resource[], requests: readonly StatedRequest[], laneGroups: readonly Resource[] = []): Manifests {
  return {
    resources,
    workloads: resources.flatMap((resource) => {
      const path = podPath(resource);
      return path === undefined ? [] : [workloadOf(resource, path)];
    }),
    services: resources.filter(({ kind, apiVersion }) => kind === 'Service' && apiVersion === 'v1').map(serviceOf),
    backends: resources.flatMap((resource) => [...(resource.kind === 'Ingress' ? backendsOf(resource) : routesOf(resource))]),
    hosts: resources.flatMap(hostsOf),
    requests,
    laneGroups: [...laneGroups.map((resource) => ({ resource, inside: undefined, value: resource.value })), ...resources.flatMap(laneGroupsOf)],
  };
}

/** Lane groups in the values of a ConfigMap. */
function laneGroupsOf(resource: Resource): LaneGroupsText[] {
  if (resource.kind !== 'ConfigMap' || resource.apiVersion !== 'v1') return [];
  return Object.entries(mapAt(resource.value, ['data'])).flatMap(([key, text]) => {
    // The parser runs on these values only.
    if (typeof text !== 'string' || !/"?groups"?\s*:/.test(text)) return [];
    let value: unknown;
    try {
      value = parse(text, { logLevel: 'silent' });
    } catch {
      return [];
    }
    return isLaneGroups(value) ? [{ resource, inside: ['data', key], value }] : [];
  });
}

/** Whether a Service selects the pods of a workload. */
export function selects({ resource, selector }: KubernetesService, workload: Workload): boolean {
  if (selector === undefined || !isSameNamespace(resource, workload.resource)) return false;
  return Object.entries(selector).every(([name, value]) => workload.labels[name] === value);
}

/** Whether two resources can be in one namespace: one without a namespace can be in any. */
export function isSameNamespace(a: Resource, b: Resource): boolean {
  return a.namespace === undefined || b.namespace === undefined || a.namespace === b.namespace;
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

/** The list at a path; empty if there is none. */
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
  const environment = containers.flatMap(({ env }) => env).filter((variable) => typeof variable.value === 'string' && variable.value !== '');
  const variable = (...names: string[]) => environment.find(({ name }) => names.includes(name));
  const tagLabel = [TAG_LABEL, MSE_TAG_LABEL].find((name) => textAt(labels, name) !== undefined);
  const tagVariable = variable('LANE_TAG', MSE_TAG_LABEL, 'MSE_ALICLOUD_SERVICE_TAG');
  return {
    resource,
    labels,
    containers,
    service: textAt(labels, SERVICE_LABEL) ?? textAt(labels, MSE_SERVICE_LABEL) ?? (variable('LANE_SERVICE')?.value as string | undefined),
    tag: tagLabel === undefined ? (tagVariable?.value as string | undefined) : textAt(labels, tagLabel),
    tagPath: tagLabel === undefined ? [...(tagVariable?.path ?? labelsPath), 'value'] : [...labelsPath, tagLabel],
    isPatch: containers.every(({ value: container }) => container['image'] === undefined),
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

/** Reads both versions of the API: `service: {name, port}`, and before 1.19 `serviceName` with `servicePort`. */
function backendsOf(resource: Resource): Backend[] {
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

/** Of the Gateway API: HTTPRoute and its like. */
function* routesOf(resource: Resource): Generator<Backend> {
  if (!resource.apiVersion.startsWith('gateway.networking.k8s.io/')) return;
  const rules = listAt(resource.value, ['spec', 'rules']);
  for (const [i, rule] of rules.entries()) {
    for (const [j, reference] of listAt(rule, ['backendRefs']).entries()) {
      const service = at(reference, ['name']);
      // Backends of another kind or namespace are not compared with the Services.
      if (typeof service !== 'string' || at(reference, ['namespace']) !== undefined || (at(reference, ['kind']) ?? 'Service') !== 'Service') continue;
      const path = ['spec', 'rules', i, 'backendRefs', j];
      yield { resource, service, servicePath: [...path, 'name'], port: at(reference, ['port']), portPath: [...path, 'port'] };
    }
  }
}

/** Besides Ingresses: `hostnames` of the Gateway API, `hosts` of Istio, `virtualhost.fqdn` of Contour. */
function hostsOf({ kind, value }: Resource): string[] {
  const spec = at(value, ['spec']);
  const hosts =
    kind === 'Ingress'
      ? listAt(spec, ['rules']).map((rule) => at(rule, ['host']) ?? '*')
      : [...listAt(spec, ['hostnames']), ...listAt(spec, ['hosts']), at(spec, ['virtualhost', 'fqdn'])];
  if ((kind === 'HTTPRoute' || kind === 'GRPCRoute') && listAt(spec, ['hostnames']).length === 0) hosts.push('*');
  // Requests that match no rule go to the default backend.
  if (kind === 'Ingress' && (at(spec, ['defaultBackend']) ?? at(spec, ['backend'])) !== undefined) hosts.push('*');
  return hosts.filter((host) => typeof host === 'string').map((host) => host.toLowerCase());
}

function textAt(labels: Strings, name: string): string | undefined {
  const value = labels[name];
  return value === undefined || value === null || value === '' ? undefined : textOf(value);
}

/** A scalar as written in the file; any other value as JSON. */
export function textOf(value: unknown): string {
  return typeof value === 'string' ? value : JSON.stringify(value);
}
