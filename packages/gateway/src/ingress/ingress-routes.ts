/**
 * Routes from Kubernetes manifests: an Ingress names Services, a Service selects pods, and the pods' labels name their service in
 * the registry and their lane. Ports and addresses come from the registry.
 */
import { isTag, nearest } from '@lane/core/model';
import type { Canary, GatewayRoute, RouteTarget } from '../decide/routes.js';
import { readAnnotations } from './canary.js';
import { readManifests, type KubernetesObject, type ManifestFile, type ManifestProblem } from './manifests.js';

/** Options of {@link ingressRoutes}. */
export interface IngressOptions {
  /** Whether a missing Service is replaced by the one with the nearest name. Default: its routes answer 503. */
  readonly mend?: boolean;
}

/** The result of reading manifests. */
export interface IngressRoutes {
  readonly routes: readonly GatewayRoute[];
  readonly problems: readonly ManifestProblem[];
}

/** Labels of pods and Services with the name in the registry, ours first. */
const SERVICE_LABELS = ['lane.dev/service', 'msePilotCreateAppName'];
/** Pod labels, and variables of their containers, with the lane. */
const TAG_LABELS = ['lane.dev/tag', 'alicloud.service.tag'];
const TAG_VARIABLES = ['LANE_TAG', 'alicloud.service.tag', 'MSE_ALICLOUD_SERVICE_TAG'];

/** Path of the pods' labels. */
const POD_TEMPLATES: Readonly<Record<string, readonly string[]>> = {
  Deployment: ['spec', 'template'],
  StatefulSet: ['spec', 'template'],
  DaemonSet: ['spec', 'template'],
  ReplicaSet: ['spec', 'template'],
  Rollout: ['spec', 'template'],
  Pod: [],
};

/** Reads routes from manifests: Ingresses, the Services they name, and the workloads that those select. Never throws. */
export function ingressRoutes(files: readonly ManifestFile[], options: IngressOptions = {}): IngressRoutes {
  const { objects, problems } = readManifests(files);
  const ingresses = objects.filter(({ kind, apiVersion }) => kind === 'Ingress' && /^(?:networking\.k8s\.io|extensions)\//.test(apiVersion));
  const services = objects.filter(({ kind }) => kind === 'Service');
  const workloads = objects.filter(({ kind }) => Object.hasOwn(POD_TEMPLATES, kind));
  const routes: GatewayRoute[] = [];
  const canaries: Array<{ route: GatewayRoute; canary: Canary; ingress: KubernetesObject; line: number }> = [];
  const resolved = new Map<string, RouteTarget | string>();

  const report = (severity: ManifestProblem['severity'], object: KubernetesObject, line: number, message: string): void =>
    void problems.push({ severity, file: object.file, line, message });

  for (const ingress of ingresses) {
    const { canary, ignored } = readAnnotations(ingress.map('metadata', 'annotations'));
    if (ignored.length > 0) {
      const line = ingress.line('metadata', 'annotations');
      report('note', ingress, line, `Ingress ${ingress.name}: annotations ignored: ${ignored.join(', ')}`);
    }
    if (ingress.count('spec', 'tls') > 0)
      report(
        'note',
        ingress,
        ingress.line('spec', 'tls'),
        `Ingress ${ingress.name}: tls is ignored; pass the certificate with --tls-cert and --tls-key`,
      );
    const add = (route: Omit<GatewayRoute, 'service'>, path: ReadonlyArray<string | number>): void => {
      const target = backendOf(ingress, path);
      if (target === undefined) return;
      const whole: GatewayRoute = typeof target === 'string' ? { ...route, service: '', problem: target } : { ...route, ...target };
      if (canary === undefined) routes.push(whole);
      else if (typeof target !== 'string') canaries.push({ route: whole, canary: { target, rules: canary }, ingress, line: ingress.line(...path) });
    };
    for (let i = 0; i < ingress.count('spec', 'rules'); i++) {
      const rule = ['spec', 'rules', i] as const;
      const host = ingress.text(...rule, 'host') ?? '*';
      for (let j = 0; j < ingress.count(...rule, 'http', 'paths'); j++) {
        const path = [...rule, 'http', 'paths', j] as const;
        add({ host, ...pathOf(ingress, path) }, [...path, 'backend']);
      }
    }
    // v1, and v1beta1.
    for (const field of ['defaultBackend', 'backend'])
      if (ingress.get('spec', field) !== undefined) add({ host: '*', isDefault: true }, ['spec', field]);
  }
  for (const { route, canary, ingress, line } of canaries) {
    const main = routes.findIndex((one) => sameWay(one, route));
    if (main === -1) {
      report(
        'warning',
        ingress,
        line,
        `Ingress ${ingress.name} is a canary of nothing: no other Ingress has host ${route.host} and path ${route.path ?? '/'}`,
      );
      continue;
    }
    const one = routes[main] as GatewayRoute;
    routes[main] = { ...one, canaries: [...(one.canaries ?? []), canary] };
  }
  if (ingresses.length === 0) {
    const [first] = files;
    const message = 'there is no Ingress in these files (apiVersion networking.k8s.io/v1 or v1beta1)';
    problems.push({ severity: 'error', file: first?.name ?? '', line: 1, message });
  }
  return { routes, problems };

  function pathOf(ingress: KubernetesObject, at: ReadonlyArray<string | number>): Pick<GatewayRoute, 'path' | 'pathType'> {
    const path = ingress.text(...at, 'path') ?? '/';
    const type = ingress.text(...at, 'pathType') ?? 'ImplementationSpecific';
    if (type === 'Exact') return { path, pathType: 'exact' };
    // Controllers differ in ImplementationSpecific; for most it is a prefix, for some with a final star.
    if (type === 'Prefix' || type === 'ImplementationSpecific')
      return { path: type === 'Prefix' ? path : path.replace(/\/?\*$/, ''), pathType: 'prefix' };
    report(
      'warning',
      ingress,
      ingress.line(...at, 'pathType'),
      `pathType ${type} is unknown and treated as Prefix: must be Prefix, Exact or ImplementationSpecific`,
    );
    return { path, pathType: 'prefix' };
  }

  /** Where a backend leads; a string: why nowhere. */
  function backendOf(ingress: KubernetesObject, at: ReadonlyArray<string | number>): RouteTarget | string | undefined {
    const isV1 = ingress.get(...at, 'service') !== undefined;
    const nameAt = isV1 ? [...at, 'service', 'name'] : [...at, 'serviceName'];
    const name = ingress.text(...nameAt);
    const line = ingress.line(...nameAt);
    if (name === undefined) {
      const message = `Ingress ${ingress.name}: a backend names no Service: set service.name (v1) or serviceName (v1beta1)`;
      report('error', ingress, line, message);
      return message;
    }
    const service = services.find((one) => one.name === name && one.namespace === ingress.namespace);
    if (service !== undefined) {
      checkPort(ingress, service, at, isV1);
      return targetOf(service);
    }
    const here = services.filter(({ namespace }) => namespace === ingress.namespace);
    const meant = nearest(
      name,
      here.map((one) => one.name),
    );
    const mended = options.mend === true ? here.find((one) => one.name === meant) : undefined;
    const what = `Ingress ${ingress.name} names Service ${name}, which is not in the given files`;
    if (mended !== undefined) {
      report('warning', ingress, line, `${what}: using ${mended.name}, the nearest name`);
      return targetOf(mended);
    }
    const remedy =
      meant !== undefined
        ? `did you mean ${meant}? Correct the name, or start with --mend, which uses the nearest`
        : here.length === 0
          ? 'pass the file that has its Services with another --ingress'
          : `there are ${here.map((one) => one.name).join(', ')}`;
    report('error', ingress, line, `${what}: ${remedy}`);
    return `${what}: ${remedy}`;
  }

  function checkPort(ingress: KubernetesObject, service: KubernetesObject, at: ReadonlyArray<string | number>, isV1: boolean): void {
    const portAt = isV1 ? [...at, 'service', 'port'] : [...at, 'servicePort'];
    const port = isV1 ? (ingress.text(...portAt, 'number') ?? ingress.text(...portAt, 'name')) : ingress.text(...portAt);
    const count = service.count('spec', 'ports');
    if (port === undefined || count === 0) return;
    const has: string[] = [];
    for (let i = 0; i < count; i++) for (const field of ['port', 'name']) has.push(service.text('spec', 'ports', i, field) ?? '');
    if (has.includes(port)) return;
    const known = has.filter((one) => one !== '').join(', ');
    report('warning', ingress, ingress.line(...portAt), `Service ${service.name} has no port ${port}: it has ${known}. The registry's port is used`);
  }

  /** The service of the registry, and the lane, that a Service selects. */
  function targetOf(service: KubernetesObject): RouteTarget | string {
    const id = `${service.namespace}/${service.name}`;
    let target = resolved.get(id);
    if (target === undefined) resolved.set(id, (target = resolve(service)));
    return target;
  }

  function resolve(service: KubernetesObject): RouteTarget | string {
    const line = service.line('spec', 'selector');
    const own = service.map('metadata', 'labels');
    const named = own.get('lane.dev/service');
    if (named !== undefined) return withTag(named, own.get('lane.dev/tag'));
    const selector = service.map('spec', 'selector');
    const selected = workloads.filter((one) => {
      const labels = one.map(...(POD_TEMPLATES[one.kind] as string[]), 'metadata', 'labels');
      return one.namespace === service.namespace && selector.size > 0 && [...selector].every(([key, value]) => labels.get(key) === value);
    });
    if (selected.length === 0) {
      const wanted = [...selector].map(([key, value]) => `${key}=${value}`).join(',') || 'nothing';
      const message = `Service ${service.name} selects ${wanted}, and no workload in these files has such labels: pass the file that has its Deployment with another --ingress, or label the Service lane.dev/service (and lane.dev/tag)`;
      report('error', service, line, message);
      return message;
    }
    const found = selected.map((workload) => {
      const template = POD_TEMPLATES[workload.kind] as string[];
      const labels = workload.map(...template, 'metadata', 'labels');
      const variables = variablesOf(workload, template);
      const name = first(labels, SERVICE_LABELS) ?? variables.get('LANE_SERVICE');
      if (name === undefined)
        report(
          'warning',
          workload,
          workload.line('metadata', 'name'),
          `${workload.kind} ${workload.name} does not name its service: assuming ${workload.name}. Label its pods lane.dev/service or msePilotCreateAppName`,
        );
      return { name: name ?? workload.name, tag: first(labels, TAG_LABELS) ?? first(variables, TAG_VARIABLES) };
    });
    const names = [...new Set(found.map(({ name }) => name))];
    const tags = [...new Set(found.map(({ tag }) => tag))];
    if (names.length > 1) {
      const message = `Service ${service.name} selects pods of several services (${names.join(', ')}): narrow its selector`;
      report('error', service, line, message);
      return message;
    }
    if (tags.length > 1)
      report(
        'warning',
        service,
        line,
        `Service ${service.name} selects pods of several lanes (${tags.map((tag) => tag ?? 'base').join(', ')}): treated as base`,
      );
    return withTag(names[0] as string, tags.length === 1 ? tags[0] : undefined);
  }

  function withTag(service: string, tag: string | undefined): RouteTarget {
    return isTag(tag) ? { service, tag } : { service };
  }
}

function variablesOf(workload: KubernetesObject, template: readonly string[]): Map<string, string> {
  const variables = new Map<string, string>();
  for (let i = 0; i < workload.count(...template, 'spec', 'containers'); i++) {
    for (let j = 0; j < workload.count(...template, 'spec', 'containers', i, 'env'); j++) {
      const at = [...template, 'spec', 'containers', i, 'env', j];
      const name = workload.text(...at, 'name');
      const value = workload.text(...at, 'value');
      if (name !== undefined && value !== undefined) variables.set(name, value);
    }
  }
  return variables;
}

function first(values: ReadonlyMap<string, string>, names: readonly string[]): string | undefined {
  for (const name of names) {
    const value = values.get(name);
    if (value !== undefined && value !== '') return value;
  }
  return undefined;
}

function sameWay(a: GatewayRoute, b: GatewayRoute): boolean {
  return a.host === b.host && a.isDefault === b.isDefault && a.path === b.path && a.pathType === b.pathType;
}
