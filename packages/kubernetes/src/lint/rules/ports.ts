import type { Found, LintRule } from '../finding.js';
import { at, type LintedContainer, type Workload } from '../manifests.js';

const PROBES = ['livenessProbe', 'readinessProbe', 'startupProbe'] as const;
const HANDLERS = ['httpGet', 'tcpSocket', 'grpc'] as const;

/**
 * A container says that it listens on one port, and all of its probes ask another; or a probe names a port that there is not.
 * Kubernetes allows the first, and a container with several ports may well have one for its health only: that is left alone.
 */
export const probePort: LintRule = {
  severity: 'warning',
  about: 'The probes of a container ask a port that is not the one it declares.',
  *find({ workloads }) {
    for (const workload of workloads) for (const container of workload.containers) yield* inContainer(workload, container);
  },
};

function* inContainer({ resource, containers }: Workload, container: LintedContainer): Generator<Found> {
  const probed = PROBES.flatMap((probe) =>
    HANDLERS.flatMap((handler) => {
      const port = at(container.value, [probe, handler, 'port']);
      return port === undefined ? [] : [{ probe, port, path: [...container.path, probe, handler, 'port'] }];
    }),
  );
  const names = containers.flatMap(({ ports }) => ports.flatMap(({ name }) => name ?? []));
  for (const { probe, port, path } of probed) {
    if (typeof port !== 'string' || /^\d+$/.test(port) || names.includes(port)) continue;
    yield {
      ...resource.place(path),
      resource: resource.title,
      reference: port,
      message: `${probe} of container ${container.name} asks port ${port}, and no container has a port of that name${names.length === 0 ? '' : `: there are ${names.join(', ')}`}`,
    };
  }
  const tcp = container.ports.filter(({ protocol }) => protocol === 'TCP');
  const [only] = tcp;
  if (tcp.length !== 1 || only?.port === undefined || probed.length === 0) return;
  if (probed.some(({ port }) => Number(port) === only.port || port === only.name)) return;
  for (const { probe, port, path } of probed) {
    if (typeof port !== 'number') continue;
    yield {
      ...resource.place(path),
      resource: resource.title,
      reference: String(port),
      nearest: String(only.port),
      message: `${probe} of container ${container.name} asks port ${port}, and the only port it declares is containerPort ${only.port}: make them the same, or declare both`,
    };
  }
}
