/**
 * Asks the instances for their figures, and adds them up. Only instances that the registry lists are asked, at an address of the very
 * host that they are registered with: whoever may register an instance can't make the console call anything else.
 */
import { ADMIN_METADATA_KEY, TRAFFIC_ROUTES, type DecisionReport, type TrafficReport, type TrafficRoute } from '@lane/core/agent';
import { tagOfMetadata, type FormatName, type SurveyedService } from '@lane/core/model';
import { readJson } from './read-json.js';

const MAX_SOURCES = 500;
const CONCURRENCY = 16;
/** However many pages are open, the instances are not asked more often. */
const KEPT_MS = 1_000;
/** Rates are told between two looks that are not further apart. */
const MAX_RATE_SPAN_MS = 20_000;
const MAX_DECISIONS = 200;

/** How many, and how many of them failed. */
export interface Counts {
  readonly count: number;
  readonly errors: number;
  /** Per second since the look before; undefined at the first. */
  readonly perSecond?: number;
}

/** The instances of a service in a lane, or in base. */
export interface TrafficNode extends Counts {
  readonly service: string;
  readonly tag?: string;
  /** Instances that told figures. */
  readonly instances: number;
}

/** Calls of one service's instances to another service, of one tag, that went the same way. */
export interface TrafficEdge extends Counts {
  readonly from: { readonly service: string; readonly tag?: string };
  /** The tag is that of the instances which served: undefined for base. */
  readonly to: { readonly service: string; readonly tag?: string };
  /** The tag of the requests. */
  readonly tag?: string;
  readonly route: TrafficRoute;
}

/** A decision of an instance. */
export interface TrafficDecision {
  readonly at: string;
  readonly service: string;
  readonly serviceTag?: string;
  readonly peer: string;
  readonly tag?: string;
  readonly outcome: TrafficRoute;
  readonly instance?: string;
}

/** All that the instances tell. */
export interface Traffic {
  readonly at: string;
  readonly nodes: readonly TrafficNode[];
  readonly edges: readonly TrafficEdge[];
  /** The latest first. */
  readonly decisions: readonly TrafficDecision[];
  readonly sources: {
    readonly asked: number;
    readonly answered: number;
    /** Instances that announce nothing: LANE_ADMIN_PORT is not set there. */
    readonly silent: number;
    readonly problems: ReadonlyArray<{ readonly service: string; readonly instance: string; readonly problem: string }>;
  };
}

/** Lists instances by service. */
export type ListInstances = () => Promise<readonly SurveyedService[]>;

/** An instance that announces where its figures are. */
interface TrafficSource {
  readonly service: string;
  /** The instance's tag, undefined for base. */
  readonly tag: string | undefined;
  /** `ip:port` of the instance, as registered. */
  readonly instance: string;
  /** `host:port` of its figures. */
  readonly admin: string;
}

/** As much of a report as is used; agents of other versions may tell more, or less. */
type Figures = Pick<TrafficReport, 'requests' | 'calls'>;

interface Answer {
  readonly source: TrafficSource;
  readonly traffic?: Figures;
  readonly decisions?: readonly DecisionReport[];
  readonly problem?: string;
}

/** Collects traffic when asked to. */
export class TrafficCollector {
  readonly #list: ListInstances;
  readonly #formats: readonly FormatName[];
  #latest: { readonly atMs: number; readonly traffic: Promise<Traffic> } | undefined;
  /** Counters of the look before, by instance and what is counted: an instance that comes or goes is no traffic. */
  #before: { readonly atMs: number; readonly counters: ReadonlyMap<string, number> } | undefined;

  /** The tags of instances are read in `formats`. */
  constructor(list: ListInstances, formats: readonly FormatName[]) {
    this.#list = list;
    this.#formats = formats;
  }

  /** What the instances tell, now or within the last second. */
  collect(): Promise<Traffic> {
    const nowMs = performance.now();
    if (this.#latest !== undefined && nowMs - this.#latest.atMs < KEPT_MS) return this.#latest.traffic;
    const traffic = this.#look();
    const latest = (this.#latest = { atMs: nowMs, traffic });
    // A failure is not kept.
    traffic.catch(() => {
      if (this.#latest === latest) this.#latest = undefined;
    });
    return traffic;
  }

  async #look(): Promise<Traffic> {
    const services = await this.#list();
    const { sources, silent } = sourcesOf(services, this.#formats);
    const answers = await askAll(sources.slice(0, MAX_SOURCES));
    const atMs = performance.now();
    const sum = new Sum(services, this.#before, atMs);
    for (const answer of answers) if (answer.traffic !== undefined) sum.add(answer.source, answer.traffic);
    this.#before = { atMs, counters: sum.counters };
    return {
      at: new Date().toISOString(),
      nodes: sum.nodes(),
      edges: sum.edges(),
      decisions: answers
        .flatMap(({ source, decisions = [] }) => decisions.map((decision) => decisionOf(source, decision)))
        .sort((a, b) => b.at.localeCompare(a.at))
        .slice(0, MAX_DECISIONS),
      sources: {
        asked: answers.length,
        answered: answers.filter(({ problem }) => problem === undefined).length,
        silent,
        problems: answers.flatMap(({ source: { service, instance }, problem }) => (problem === undefined ? [] : [{ service, instance, problem }])),
      },
    };
  }
}

function sourcesOf(services: readonly SurveyedService[], formats: readonly FormatName[]): { sources: TrafficSource[]; silent: number } {
  const sources: TrafficSource[] = [];
  let silent = 0;
  for (const { name: service, instances } of services) {
    for (const { ip, port, metadata, healthy } of instances) {
      if (!healthy) continue;
      const admin = metadata[ADMIN_METADATA_KEY];
      if (admin === undefined || !isAtHost(admin, ip)) silent++;
      else sources.push({ service, tag: tagOfMetadata(metadata, formats), instance: `${ip}:${port}`, admin });
    }
  }
  return { sources, silent };
}

function isAtHost(admin: string, ip: string): boolean {
  const match = /^(\[[0-9a-fA-F:.]+\]|[^:[\]\s/@?#]+):(\d{1,5})$/.exec(admin);
  return match !== null && match[1]?.replace(/^\[|\]$/g, '') === ip;
}

async function askAll(sources: readonly TrafficSource[]): Promise<Answer[]> {
  const answers: Answer[] = Array.from({ length: sources.length });
  let next = 0;
  const worker = async (): Promise<void> => {
    while (next < sources.length) {
      const i = next++;
      answers[i] = await ask(sources[i] as TrafficSource);
    }
  };
  await Promise.all(Array.from({ length: Math.min(CONCURRENCY, sources.length) }, worker));
  return answers;
}

async function ask(source: TrafficSource): Promise<Answer> {
  try {
    const [traffic, decisions] = await Promise.all([readJson(source.admin, '/traffic'), readJson(source.admin, '/decisions')]);
    if (!isTraffic(traffic)) return { source, problem: 'its figures have another form' };
    return { source, traffic, decisions: Array.isArray(decisions) ? decisions.filter(isDecision) : [] };
  } catch (error) {
    return { source, problem: (error as Error).message };
  }
}

function isTraffic(value: unknown): value is Figures {
  const { requests, calls } = (value ?? {}) as Partial<Record<'requests' | 'calls', unknown>>;
  const areCounted = (list: unknown): boolean =>
    Array.isArray(list) &&
    list.every((one: { count?: unknown; errors?: unknown } | null) => Number.isFinite(one?.count) && Number.isFinite(one?.errors));
  return areCounted(requests) && areCounted(calls);
}

function isDecision(value: unknown): value is DecisionReport {
  const { at, peer, outcome } = (value ?? {}) as Partial<Record<keyof DecisionReport, unknown>>;
  return typeof at === 'string' && !Number.isNaN(Date.parse(at)) && typeof peer === 'string' && isRoute(outcome);
}

function isRoute(value: unknown): value is TrafficRoute {
  return (TRAFFIC_ROUTES as readonly unknown[]).includes(value);
}

function decisionOf({ service, tag: serviceTag }: TrafficSource, { at, peer, tag, outcome, instance }: DecisionReport): TrafficDecision {
  return {
    at: new Date(at).toISOString(),
    service,
    ...optional('serviceTag', serviceTag),
    peer,
    ...optional('tag', tag),
    outcome,
    ...optional('instance', instance),
  };
}

function optional<Key extends string>(key: Key, value: string | null | undefined): Partial<Record<Key, string>> {
  return value === undefined || value === null || value === '' ? {} : ({ [key]: value } as Record<Key, string>);
}

interface Added<Identity> {
  readonly identity: Identity;
  count: number;
  errors: number;
  perSecond: number;
}

/** Adds up what instances tell. */
class Sum {
  readonly counters = new Map<string, number>();
  readonly #nodes = new Map<string, Added<Pick<TrafficNode, 'service' | 'tag'>> & { instances: number }>();
  readonly #edges = new Map<string, Added<Pick<TrafficEdge, 'from' | 'to' | 'tag' | 'route'>>>();
  readonly #before: ReadonlyMap<string, number> | undefined;
  readonly #seconds: number;
  /** The tags that instances carry, by service. */
  readonly #lanes: ReadonlyMap<string, ReadonlySet<string>>;

  constructor(
    services: readonly SurveyedService[],
    before: { readonly atMs: number; readonly counters: ReadonlyMap<string, number> } | undefined,
    nowMs: number,
  ) {
    this.#lanes = new Map(services.map(({ name, tags }) => [name, new Set(tags)]));
    const isRecent = before !== undefined && nowMs - before.atMs <= MAX_RATE_SPAN_MS;
    this.#before = isRecent ? before.counters : undefined;
    this.#seconds = isRecent ? (nowMs - before.atMs) / 1_000 : 1;
  }

  add(source: TrafficSource, { requests, calls }: Figures): void {
    const from = { service: source.service, ...optional('tag', source.tag) };
    const node = this.#node(from);
    node.instances++;
    for (const { tag, source: origin, count, errors } of requests) {
      this.#count(node, `${source.instance} request ${tag ?? ''} ${origin ?? ''}`, count, errors);
    }
    for (const { peer, tag, route, count, errors } of calls) {
      // Hosts that are no services, and what an agent of a later version tells.
      if (route === 'outside' || !isRoute(route)) continue;
      const to = { service: peer, ...(this.#isServedByLane(peer, tag, route) ? optional('tag', tag) : {}) };
      const identity = { from, to, ...optional('tag', tag), route };
      const key = JSON.stringify(identity);
      let edge = this.#edges.get(key);
      if (edge === undefined) this.#edges.set(key, (edge = { identity, count: 0, errors: 0, perSecond: 0 }));
      this.#count(edge, `${source.instance} call ${key}`, count, errors);
      this.#node(to);
    }
  }

  nodes(): TrafficNode[] {
    return [...this.#nodes.values()].map((node) => ({ ...node.identity, instances: node.instances, ...this.#counts(node) }));
  }

  edges(): TrafficEdge[] {
    return [...this.#edges.values()].map((edge) => ({ ...edge.identity, ...this.#counts(edge) }));
  }

  #node(identity: Pick<TrafficNode, 'service' | 'tag'>): Added<Pick<TrafficNode, 'service' | 'tag'>> & { instances: number } {
    const key = JSON.stringify(identity);
    let node = this.#nodes.get(key);
    if (node === undefined) this.#nodes.set(key, (node = { identity, instances: 0, count: 0, errors: 0, perSecond: 0 }));
    return node;
  }

  #count(into: Added<unknown>, counter: string, count: number, errors: number): void {
    into.count += count;
    into.errors += errors;
    this.counters.set(counter, (this.counters.get(counter) ?? 0) + count);
    // What starts anew counts from 0 again.
    const before = this.#before?.get(counter) ?? 0;
    if (this.#before !== undefined) into.perSecond += (count >= before ? count - before : count) / this.#seconds;
  }

  #counts({ count, errors, perSecond }: Added<unknown>): Counts {
    return { count, errors, ...(this.#before === undefined ? {} : { perSecond: Math.round(perSecond * 100) / 100 }) };
  }

  /** A call that was corrected may have fallen back, too: then its lane has no instance of the service. */
  #isServedByLane(peer: string, tag: string | null, route: TrafficRoute): boolean {
    if (route === 'base' || route === 'fallback') return false;
    return route !== 'corrected' || (tag !== null && this.#lanes.get(peer)?.has(tag) === true);
  }
}
