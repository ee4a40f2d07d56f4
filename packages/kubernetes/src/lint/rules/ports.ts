import type { Found } from '../finding.js';
import type { LintRule } from '../lint-rule.js';
import { at, type LintedContainer, type Workload } from '../manifests.js';
import type { Path } from '../source-text.js';

const PROBES = ['livenessProbe', 'readinessProbe', 'startupProbe'] as const;
const HANDLERS = ['httpGet', 'tcpSocket', 'grpc'] as const;
/** Usual names of an app's main port. */
const MAIN_PORT = /^(?:https?|web|app|api|grpc|tcp|main|server|default)(?:\b|$)/;

interface Probed {
  readonly probe: string;
  readonly handler: string;
  readonly port: unknown;
  readonly path: Path;
}

/**
 * A container declares one port, but all of its probes use another that no container of the pod has; or a probe names a port that its
 * container does not have. Kubernetes allows the first. Not reported: several ports, or a single one for metrics or a webhook. An HTTP
 * probe may use a health port that is not declared, so it is a note.
 */
export const probePort: LintRule = {
  severity: 'warning',
  about: 'The probes of a container use a port that it does not declare.',
  *find({ workloads }) {
    for (const workload of workloads) {
      if (workload.isPatch) continue;
      for (const container of workload.containers) yield* inContainer(workload, container);
    }
  },
};

function* inContainer({ resource, containers }: Workload, container: LintedContainer): Generator<Found> {
  const probed: Probed[] = PROBES.flatMap((probe) =>
    HANDLERS.flatMap((handler) => {
      const port = at(container.value, [probe, handler, 'port']);
      return port === undefined ? [] : [{ probe, handler, port, path: [...container.path, probe, handler, 'port'] }];
    }),
  );
  const names = container.ports.flatMap(({ name }) => name ?? []);
  for (const { probe, port, path } of probed) {
    if (typeof port !== 'string' || /^\d+$/.test(port) || names.includes(port)) continue;
    yield {
      ...resource.place(path),
      resource: resource.title,
      reference: port,
      message: `${probe} of container ${container.name} uses port ${port}, but the container has no port of that name${names.length === 0 ? '' : `: it has ${names.join(', ')}`}`,
    };
  }
  const tcp = container.ports.filter(({ protocol }) => protocol === 'TCP');
  const [only] = tcp;
  if (tcp.length !== 1 || only?.port === undefined || (only.name !== undefined && !MAIN_PORT.test(only.name))) return;
  // Containers of a pod share an address: a probe of one may use a port of another.
  const declared = new Set(containers.flatMap(({ ports }) => ports.map(({ port }) => port)));
  if (probed.some(({ port }) => declared.has(Number(port)) || port === only.name)) return;
  for (const { probe, handler, port, path } of probed) {
    if (!Number.isInteger(Number(port))) continue;
    yield {
      ...resource.place(path),
      ...(handler === 'httpGet' ? { severity: 'note' as const } : {}),
      resource: resource.title,
      reference: String(port),
      nearest: String(only.port),
      message: `${probe} of container ${container.name} uses port ${Number(port)}, but the container declares only containerPort ${only.port}: use the same port, or declare both`,
    };
  }
}
