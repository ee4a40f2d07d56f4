/**
 * What agents know of services' instances, requested from instances that announce `lane.admin`, within the same limits as their figures.
 */
import { ADMIN_METADATA_KEY, type InstanceReport, type KnownServiceReport } from '@lane/core/agent';
import { isTag, type HopExplanation, type ServiceKey, type SurveyedService } from '@lane/core/model';
import { adminAddressOf, type AdminAddress } from './admin-address.js';
import { readText } from './read-text.js';

/** Limit of instances to ask: more would know much the same. */
const MAX_ASKED = 50;
const TIMEOUT_MS = 2_000;
const MAX_BYTES = 512 * 1024;
const MAX_BYTES_IN_ALL = 8 * 1024 * 1024;

/** What one agent knows: the services of its `/status`. */
export type AgentView = readonly KnownServiceReport[];

/** What agents report about one service of which some doubt instances. */
export interface AgentsDoubts {
  readonly service: string;
  /** Agents that know the service. */
  readonly agents: number;
  /** Of those: agents that use instances which the registry would take away. */
  readonly doubting: number;
  /** From the agent with the most of them: how many, of how many in use. */
  readonly doubted: number;
  readonly of: number;
  /** The longest time that an instance has been in doubt. */
  readonly seconds: number;
  /** From the agent with the most of them: instances left alone because they refused connections. */
  readonly leftAlone: number;
  /** Likewise: instances ejected because they answered server errors. */
  readonly ejected: number;
}

/** What agents report about one instance. */
export interface AgentsInstance extends Pick<InstanceReport, 'address' | 'tag' | 'source' | 'listedSecondsAgo' | 'doubt'> {
  /** Agents that know the service. */
  readonly agents: number;
  /** Of those: agents that use the instance, or would if it were healthy, enabled and had a weight. */
  readonly knownBy: number;
  /** Agents that use it although the registry would take it away. */
  readonly doubtedBy: number;
  /** The longest time that one of them has done so; null: none does. */
  readonly doubtedSeconds: number | null;
  /** Agents that leave it alone for a while because it refused connections. */
  readonly leftAloneBy: number;
  /** Agents that ejected it because it answered server errors. */
  readonly ejectedBy: number;
  /** Agents that pass it over because enough others of its lane are nearer to them. */
  readonly passedOverBy: number;
}

/** Asks agents. Never rejects: skips those that do not answer, or whose answer is malformed. `isLoopbackOurs`: loopback addresses are on this machine. */
export async function askAgents(services: readonly SurveyedService[], isLoopbackOurs: boolean): Promise<AgentView[]> {
  const addresses = new Map<string, AdminAddress>();
  for (const { instances } of services) {
    for (const { ip, metadata, healthy } of instances) {
      const announced = metadata[ADMIN_METADATA_KEY];
      const admin = announced === undefined || !healthy ? undefined : adminAddressOf(announced, ip, isLoopbackOurs);
      if (admin !== undefined && addresses.size < MAX_ASKED) addresses.set(`${admin.host} ${admin.port}`, admin);
    }
  }
  const budget = { bytes: MAX_BYTES_IN_ALL };
  return Promise.all(
    Array.from(addresses.values(), (admin) =>
      readText(admin, '/status', { maxBytes: MAX_BYTES, budget, signal: AbortSignal.timeout(TIMEOUT_MS) })
        .then(viewOf)
        .catch(() => []),
    ),
  );
}

/** Minimum interval between requests to agents, however many pages are open. */
const KEPT_MS = 2_000;
/** After this, a page gets the agents' previous answers instead of waiting. */
const PATIENCE_MS = 400;

/** Asks agents once for many pages. */
export class AgentsViews {
  readonly #isLoopbackOurs: boolean;
  #answered: readonly AgentView[] = [];
  #latest: { readonly atMs: number; readonly views: Promise<readonly AgentView[]> } | undefined;

  constructor(isLoopbackOurs: boolean) {
    this.#isLoopbackOurs = isLoopbackOurs;
  }

  /** What they know now or knew just before; never waits long for an agent that does not answer. */
  async soon(services: readonly SurveyedService[]): Promise<readonly AgentView[]> {
    const nowMs = performance.now();
    if (this.#latest === undefined || nowMs - this.#latest.atMs > KEPT_MS) {
      const views = askAgents(services, this.#isLoopbackOurs).then((answered) => (this.#answered = answered));
      this.#latest = { atMs: nowMs, views };
    }
    let timer: NodeJS.Timeout | undefined;
    const patience = new Promise<readonly AgentView[]>((resolve) => {
      timer = setTimeout(() => resolve(this.#answered), PATIENCE_MS);
    });
    return Promise.race([this.#latest.views, patience]).finally(() => clearTimeout(timer));
  }
}

/** An instance that agents leave alone, or use although the registry would take it away. */
export type AgentsWord = Pick<AgentsInstance, 'address' | 'agents' | 'ejectedBy' | 'leftAloneBy' | 'doubtedBy'>;

/** Which instances of a service serve, and what agents report beyond the registry. */
export interface ConsoleHop extends HopExplanation {
  readonly agents: readonly AgentsWord[];
}

/** The instances of a service about which agents report something beyond the registry. */
export function wordsOf(views: readonly AgentView[], key: ServiceKey): AgentsWord[] {
  return agentsInstancesOf(views, key)
    .filter(({ ejectedBy, leftAloneBy, doubtedBy }) => ejectedBy > 0 || leftAloneBy > 0 || doubtedBy > 0)
    .map(({ address, agents, ejectedBy, leftAloneBy, doubtedBy }) => ({ address, agents, ejectedBy, leftAloneBy, doubtedBy }));
}

/** By service: instances that agents use although the registry would take them away, and those that they leave alone or have ejected. */
export function doubtsOf(views: readonly AgentView[]): AgentsDoubts[] {
  const found = new Map<string, AgentsDoubts>();
  for (const { service, instances } of views.flat()) {
    const doubted = instances.filter(({ doubt, usable }) => doubt !== null && usable);
    const leftAlone = instances.filter(({ leftAloneSeconds }) => leftAloneSeconds !== null).length;
    const ejected = instances.filter(isEjected).length;
    const before = found.get(service) ?? { service, agents: 0, doubting: 0, doubted: 0, of: 0, seconds: 0, leftAlone: 0, ejected: 0 };
    const isMost = doubted.length > before.doubted;
    found.set(service, {
      service,
      agents: before.agents + 1,
      doubting: before.doubting + (doubted.length > 0 ? 1 : 0),
      doubted: isMost ? doubted.length : before.doubted,
      of: isMost ? instances.filter(({ usable }) => usable).length : before.of,
      seconds: Math.max(before.seconds, ...doubted.map(({ doubtedSeconds }) => doubtedSeconds ?? 0)),
      leftAlone: Math.max(before.leftAlone, leftAlone),
      ejected: Math.max(before.ejected, ejected),
    });
  }
  return [...found.values()].filter(({ doubting, leftAlone, ejected }) => doubting > 0 || leftAlone > 0 || ejected > 0);
}

/** Merges what agents report about the instances of a service; source and age come from the agent with the latest news. */
export function agentsInstancesOf(views: readonly AgentView[], { name, group }: ServiceKey): AgentsInstance[] {
  const tables = views.flatMap((view) => view.filter((table) => table.service === name && table.group === group));
  const found = new Map<string, AgentsInstance>();
  for (const { instances } of tables) {
    for (const instance of instances) {
      const { address, tag, source, listedSecondsAgo, doubt, doubtedSeconds, leftAloneSeconds } = instance;
      const before = found.get(address);
      const isNewer = before === undefined || listedSecondsAgo < before.listedSecondsAgo;
      found.set(address, {
        address,
        agents: tables.length,
        ...(isNewer ? { tag, source, listedSecondsAgo } : { tag: before.tag, source: before.source, listedSecondsAgo: before.listedSecondsAgo }),
        knownBy: (before?.knownBy ?? 0) + 1,
        doubt: before?.doubt ?? doubt,
        doubtedBy: (before?.doubtedBy ?? 0) + (doubt === null ? 0 : 1),
        doubtedSeconds: longer(before?.doubtedSeconds, doubtedSeconds),
        leftAloneBy: (before?.leftAloneBy ?? 0) + (leftAloneSeconds === null ? 0 : 1),
        ejectedBy: (before?.ejectedBy ?? 0) + (isEjected(instance) ? 1 : 0),
        passedOverBy: (before?.passedOverBy ?? 0) + (instance.passedOver === true ? 1 : 0),
      });
    }
  }
  return [...found.values()];
}

/** Older agents do not report it. */
function isEjected({ ejectedSeconds }: InstanceReport): boolean {
  return ejectedSeconds !== undefined && ejectedSeconds !== null;
}

function longer(one: number | null | undefined, other: number | null): number | null {
  return one === null || one === undefined ? other : other === null ? one : Math.max(one, other);
}

/** The well-formed services of a report, which anybody who may register an instance can send. */
function viewOf(text: string): AgentView {
  const { services } = (JSON.parse(text) ?? {}) as { readonly services?: unknown };
  if (!Array.isArray(services)) return [];
  return (services as unknown[]).filter(isServiceReport);
}

function isServiceReport(value: unknown): value is KnownServiceReport {
  const { service, group, instances } = (value ?? {}) as Partial<Record<keyof KnownServiceReport, unknown>>;
  return typeof service === 'string' && typeof group === 'string' && Array.isArray(instances) && instances.every(isInstanceReport);
}

const SOURCES: ReadonlySet<unknown> = new Set<InstanceReport['source']>(['registry', 'sdk', 'snapshot']);
const DOUBTS: ReadonlySet<unknown> = new Set<InstanceReport['doubt']>(['absent', 'unhealthy', 'disabled', 'untagged', null]);

function isInstanceReport(value: unknown): value is InstanceReport {
  const { address, tag, usable, source, listedSecondsAgo, doubt, doubtedSeconds, leftAloneSeconds, ejectedSeconds, passedOver } = (value ??
    {}) as Partial<Record<keyof InstanceReport, unknown>>;
  return (
    typeof address === 'string' &&
    (tag === null || isTag(tag)) &&
    typeof usable === 'boolean' &&
    SOURCES.has(source) &&
    Number.isFinite(listedSecondsAgo) &&
    DOUBTS.has(doubt) &&
    (doubtedSeconds === null || Number.isFinite(doubtedSeconds)) &&
    (leftAloneSeconds === null || Number.isFinite(leftAloneSeconds)) &&
    (ejectedSeconds === undefined || ejectedSeconds === null || Number.isFinite(ejectedSeconds)) &&
    (passedOver === undefined || typeof passedOver === 'boolean')
  );
}
