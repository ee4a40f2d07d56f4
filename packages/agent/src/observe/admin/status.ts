/** `GET /status`. */
import { failuresOf, isOff } from '../../patching/safely.js';
import type { RunningAgent } from '../../boot/start.js';
import { shownOptions, type DrainReport, type KnownServiceReport, type StatusReport } from '@lane/core/agent';
import { isUsable, type RememberedInstance, type ServiceTables } from '@lane/core/model';

/** What is known about this process. */
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
    options: shownOptions(options),
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
    services: servicesIn(tables),
    place: { zone: tables.place.zone ?? null, region: tables.place.region ?? null },
    tags: { malformed: codec.counts.malformed, disagreeing: codec.counts.conflicts },
  };
}

/** Instances told of one service, first those that are in doubt or get no calls: a console reads no more than 2 MB from an instance. */
const MAX_INSTANCES_TOLD = 100;

function isNotable({ doubt, refusedUntilMs, ejectedUntilMs }: RememberedInstance): boolean {
  return doubt !== undefined || refusedUntilMs !== undefined || ejectedUntilMs !== undefined;
}

function servicesIn(tables: ServiceTables): KnownServiceReport[] {
  const seconds = (ms: number): number => Math.round(ms / 1_000);
  return tables.memories().map(({ key, instances, nowMs }) => {
    const { far } = tables.get(key)?.index ?? {};
    const passedOver = new Set<string>();
    for (const { decision } of far?.values() ?? []) for (const { ip, port } of decision.instances) passedOver.add(`${ip}:${port}`);
    const told = instances.toSorted((a, b) => Number(isNotable(b)) - Number(isNotable(a))).slice(0, MAX_INSTANCES_TOLD);
    return {
      service: key.name,
      group: key.group,
      namespace: key.namespace ?? null,
      ports: [...(tables.get(key)?.ports ?? [])].sort((a, b) => a - b),
      instances: told.map(({ address, instance, source, listedAtMs, doubt, doubtedSinceMs, refusedUntilMs, ejectedUntilMs }) => ({
        address,
        tag: (instance === undefined ? undefined : tables.tagOf(key.name, instance)) ?? null,
        usable: instance !== undefined && isUsable(instance) && refusedUntilMs === undefined && ejectedUntilMs === undefined,
        source,
        listedSecondsAgo: seconds(nowMs - listedAtMs),
        doubt: doubt ?? null,
        doubtedSeconds: doubtedSinceMs === undefined ? null : seconds(nowMs - doubtedSinceMs),
        leftAloneSeconds: refusedUntilMs === undefined ? null : seconds(refusedUntilMs - nowMs),
        ejectedSeconds: ejectedUntilMs === undefined ? null : seconds(ejectedUntilMs - nowMs),
        passedOver: passedOver.has(address),
      })),
      omitted: instances.length - told.length,
    };
  });
}
