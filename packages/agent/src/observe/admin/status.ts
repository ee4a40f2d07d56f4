/** `GET /status`. */
import { failuresOf, isOff } from '../../patching/safely.js';
import type { RunningAgent } from '../../boot/start.js';
import type { DrainReport, StatusReport } from '@lane/core/agent';

/** What is known of this process. */
export function statusReport({ version, runtime, instrumentations }: RunningAgent, drain: DrainReport | null): StatusReport {
  const { options, codec, laneGroups, registryState: registry, tables } = runtime;
  return {
    version,
    pid: process.pid,
    node: process.version,
    service: runtime.own.name,
    tag: options.tag ?? null,
    ready: drain === null,
    drain,
    uptimeSeconds: Math.round(process.uptime()),
    options: Object.fromEntries(
      Object.entries(options).map(([name, value]) => [name, name === 'nacosPassword' && value !== undefined ? '…' : (value as unknown)]),
    ),
    laneGroups: { ...laneGroups.state, groups: tables.rules?.document.groups.length ?? 0 },
    registry:
      registry === undefined
        ? null
        : {
            kind: registry.kind,
            server: registry.server,
            namespace: registry.namespace,
            transport: registry.transport,
            reachable: registry.reachable,
          },
    registrations: [...runtime.registrations.values()].map(({ service, address }) => ({
      service,
      address,
      withdrawn: runtime.withdrawn.has(`${service} ${address}`),
    })),
    instrumentations: [...instrumentations].map(([name, state]) => ({
      name,
      state: isOff(name) ? ('failed' as const) : state,
      failures: failuresOf(name),
    })),
    tags: { malformed: codec.counts.malformed, disagreeing: codec.counts.conflicts },
  };
}
