/**
 * What agents have in use against the word of the registry: asked of instances that announce where (`lane.admin`), within the bounds of
 * all that is read of instances.
 */
import { ADMIN_METADATA_KEY, type KnownServiceReport } from '@lane/core/agent';
import type { SurveyedService } from '@lane/core/model';
import { adminAddressOf, type AdminAddress } from './admin-address.js';
import { readText } from './read-text.js';

/** Instances that are asked; more are not, as what they know is much the same. */
const MAX_ASKED = 50;
const TIMEOUT_MS = 2_000;
const MAX_BYTES = 512 * 1024;
const MAX_BYTES_IN_ALL = 8 * 1024 * 1024;

/** What agents say of one service that some of them doubt something of. */
export interface AgentsDoubts {
  readonly service: string;
  /** Agents that know the service. */
  readonly agents: number;
  /** Of those: agents that have instances in use which the registry would take away. */
  readonly doubting: number;
  /** Of the agent that has the most of them: how many, of how many in use. */
  readonly doubted: number;
  readonly of: number;
  /** The longest that anything has been in doubt. */
  readonly seconds: number;
  /** Of the agent that has the most of them: instances left alone, as they refused connections. */
  readonly leftAlone: number;
}

/** Asks agents. Never rejects: who does not answer, or not in form, is passed over. `isLoopbackOurs`: loopback addresses are on this machine. */
export async function askForDoubts(services: readonly SurveyedService[], isLoopbackOurs: boolean): Promise<AgentsDoubts[]> {
  const addresses = new Map<string, AdminAddress>();
  for (const { instances } of services) {
    for (const { ip, metadata, healthy } of instances) {
      const announced = metadata[ADMIN_METADATA_KEY];
      const admin = announced === undefined || !healthy ? undefined : adminAddressOf(announced, ip, isLoopbackOurs);
      if (admin !== undefined && addresses.size < MAX_ASKED) addresses.set(`${admin.host} ${admin.port}`, admin);
    }
  }
  const budget = { bytes: MAX_BYTES_IN_ALL };
  const told = await Promise.all(
    Array.from(addresses.values(), (admin) =>
      readText(admin, '/status', { maxBytes: MAX_BYTES, budget, signal: AbortSignal.timeout(TIMEOUT_MS) })
        .then(servicesOf)
        .catch(() => []),
    ),
  );
  const found = new Map<string, AgentsDoubts>();
  for (const { service, instances } of told.flat()) {
    const doubted = instances.filter(({ doubt, usable }) => doubt !== null && usable);
    const leftAlone = instances.filter(({ leftAloneSeconds }) => leftAloneSeconds !== null).length;
    const before = found.get(service) ?? { service, agents: 0, doubting: 0, doubted: 0, of: 0, seconds: 0, leftAlone: 0 };
    const isMost = doubted.length > before.doubted;
    found.set(service, {
      service,
      agents: before.agents + 1,
      doubting: before.doubting + (doubted.length > 0 ? 1 : 0),
      doubted: isMost ? doubted.length : before.doubted,
      of: isMost ? instances.filter(({ usable }) => usable).length : before.of,
      seconds: Math.max(before.seconds, ...doubted.map(({ doubtedSeconds }) => doubtedSeconds ?? 0)),
      leftAlone: Math.max(before.leftAlone, leftAlone),
    });
  }
  return [...found.values()].filter(({ doubting, leftAlone }) => doubting > 0 || leftAlone > 0);
}

/** The services of a report, as far as they have the form of one: it comes from whoever may register an instance. */
function servicesOf(text: string): KnownServiceReport[] {
  const { services } = (JSON.parse(text) ?? {}) as { readonly services?: unknown };
  if (!Array.isArray(services)) return [];
  return (services as unknown[]).filter(isServiceReport);
}

function isServiceReport(value: unknown): value is KnownServiceReport {
  const { service, instances } = (value ?? {}) as Partial<Record<keyof KnownServiceReport, unknown>>;
  return typeof service === 'string' && Array.isArray(instances) && instances.every((instance) => instance !== null && typeof instance === 'object');
}
