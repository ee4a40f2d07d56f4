/** Adds up the reports of instances, within bounds: an instance could invent services and tags without end. */
import type { TrafficRoute } from '@lane/core/agent';
import type { InstanceTags, SurveyedService, Tag } from '@lane/core/model';
import type { Counts, Figures, TrafficEdge, TrafficNode } from './figures.js';
import type { Increment } from './history.js';
import { p95MsOf } from './p95.js';

/** Rates need two reads that are not further apart than this. */
const MAX_RATE_SPAN_MS = 20_000;
/** More can't be drawn, and does not go to the pages. */
const MAX_NODES = 2_000;
const MAX_EDGES = 4_000;
/** Counters to keep for the next read, for rates. */
const MAX_COUNTERS = 50_000;

/** The reporting instance. */
export interface Teller {
  readonly service: string;
  /** The instance's tag, undefined for base. */
  readonly tag: string | undefined;
  /** `ip:port` of the instance, as registered. */
  readonly instance: string;
}

/** Counters of a read, by instance and subject, so that an instance that comes or goes does not count as traffic. */
export interface Look {
  readonly atMs: number;
  readonly counters: ReadonlyMap<string, ReadonlyMap<string, readonly number[]>>;
}

interface Added<Identity> {
  readonly key: string;
  readonly identity: Identity;
  count: number;
  errors: number;
  perSecond: number;
  /** Since the previous read. */
  newCount: number;
  newErrors: number;
}

type Node = Added<Pick<TrafficNode, 'service' | 'tag'>> & { instances: number };
type Edge = Added<Pick<TrafficEdge, 'from' | 'to' | 'tag' | 'route'>>;

interface Durations {
  readonly key: string;
  readonly nodeKey: string;
  /** Counts by duration, since the process began and since the previous read. Not cumulative. */
  readonly buckets: number[];
  readonly newBuckets: number[];
}

/** The sum of one read. */
export class Sum {
  /** What was left out because there was too much. */
  ignored = 0;
  readonly #atMs: number;
  readonly #counters = new Map<string, Map<string, number[]>>();
  #counted = 0;
  readonly #nodes = new Map<string, Node>();
  readonly #edges = new Map<string, Edge>();
  readonly #durations = new Map<string, Durations>();
  readonly #before: Look | undefined;
  /** The tags that instances carry, by service. */
  readonly #lanes: ReadonlyMap<string, ReadonlySet<Tag | undefined>>;

  /** `atMs` of `performance.now()`. */
  constructor(services: readonly SurveyedService[], tags: InstanceTags, before: Look | undefined, atMs: number) {
    this.#atMs = atMs;
    this.#lanes = new Map(services.map(({ name, instances }) => [name, new Set(instances.map((one) => tags.tagOf(name, one)))]));
    this.#before = before !== undefined && atMs - before.atMs <= MAX_RATE_SPAN_MS ? before : undefined;
  }

  /** What the next read compares with. */
  get look(): Look {
    return { atMs: this.#atMs, counters: this.#counters };
  }

  add({ service, tag: ownTag, instance }: Teller, { requests, calls, durations, ignored }: Figures): void {
    this.ignored += ignored;
    const from = { service, ...optional('tag', ownTag) };
    const node = this.#node(from);
    if (node === undefined) {
      this.ignored += requests.length + calls.length;
      return;
    }
    node.instances++;
    for (const { tag, source, count, errors } of requests) this.#count(node, instance, `request ${tag ?? ''} ${source ?? ''}`, count, errors);
    for (const { tag, count, buckets } of durations) this.#measure(node, instance, tag, count, buckets);
    for (const { peer, tag, route, count, errors } of calls) {
      // Hosts that are no services.
      if (route === 'outside') continue;
      const to = { service: peer, ...(this.#isServedByLane(peer, tag, route) ? optional('tag', tag) : {}) };
      const edge = this.#node(to) && this.#edge({ from, to, ...optional('tag', tag), route });
      if (edge === undefined) this.ignored++;
      else this.#count(edge, instance, edge.key, count, errors);
    }
  }

  nodes(): TrafficNode[] {
    return [...this.#nodes.values()].map((node) => ({
      ...node.identity,
      instances: node.instances,
      ...this.#counts(node, this.#bucketsOf(node.key)),
    }));
  }

  edges(): TrafficEdge[] {
    return [...this.#edges.values()].map((edge) => ({
      ...edge.identity,
      ...this.#counts(edge, this.#durations.get(durationKeyOf(edge.identity))?.buckets),
    }));
  }

  /** What is new since the previous read; undefined if there was none. */
  increment(): Increment | undefined {
    if (this.#before === undefined) return undefined;
    const fresh = ({ newCount, newErrors }: Added<unknown>): { count: number; errors: number } => ({ count: newCount, errors: newErrors });
    return {
      nodes: [...this.#nodes.values()].map((node) => ({ key: node.key, identity: node.identity, instances: node.instances, ...fresh(node) })),
      edges: [...this.#edges.values()].map((edge) => ({
        key: edge.key,
        identity: edge.identity,
        durationKey: durationKeyOf(edge.identity),
        ...fresh(edge),
      })),
      durations: [...this.#durations.values()]
        .filter(({ newBuckets }) => newBuckets.some((count) => count > 0))
        .map(({ key, nodeKey, newBuckets }) => ({ key, nodeKey, buckets: newBuckets })),
    };
  }

  #node(identity: Node['identity']): Node | undefined {
    const key = JSON.stringify(identity);
    let node = this.#nodes.get(key);
    if (node === undefined && this.#nodes.size < MAX_NODES) {
      this.#nodes.set(key, (node = { key, identity, instances: 0, count: 0, errors: 0, perSecond: 0, newCount: 0, newErrors: 0 }));
    }
    return node;
  }

  #edge(identity: Edge['identity']): Edge | undefined {
    const key = JSON.stringify(identity);
    let edge = this.#edges.get(key);
    if (edge === undefined && this.#edges.size < MAX_EDGES)
      this.#edges.set(key, (edge = { key, identity, count: 0, errors: 0, perSecond: 0, newCount: 0, newErrors: 0 }));
    return edge;
  }

  #count(into: Added<unknown>, instance: string, counter: string, count: number, errors: number): void {
    into.count += count;
    into.errors += errors;
    const fresh = this.#keep(instance, counter, [count, errors]);
    if (fresh === undefined || this.#before === undefined) return;
    const [newCount = 0, newErrors = 0] = fresh;
    into.newCount += newCount;
    into.newErrors += newErrors;
    into.perSecond += (newCount * 1_000) / (this.#atMs - this.#before.atMs);
  }

  #measure(node: Node, instance: string, tag: string | null | undefined, count: number, cumulative: readonly number[]): void {
    const key = durationKeyOf({ to: node.identity, ...optional('tag', tag) });
    const told = [...cumulative, count].map((value, i, all) => value - (all[i - 1] ?? 0));
    let durations = this.#durations.get(key);
    if (durations === undefined) {
      if (this.#durations.size >= MAX_NODES) return;
      this.#durations.set(key, (durations = { key, nodeKey: node.key, buckets: told.map(() => 0), newBuckets: told.map(() => 0) }));
    }
    const fresh = this.#keep(instance, `duration ${key}`, told);
    for (const [i, value] of told.entries()) {
      durations.buckets[i] = (durations.buckets[i] ?? 0) + value;
      durations.newBuckets[i] = (durations.newBuckets[i] ?? 0) + (fresh?.[i] ?? 0);
    }
  }

  /** Keeps a counter for the next read, and returns its growth; undefined: too many to keep, or nothing to compare with. */
  #keep(instance: string, counter: string, told: readonly number[]): readonly number[] | undefined {
    let counters = this.#counters.get(instance);
    if (counters === undefined) this.#counters.set(instance, (counters = new Map()));
    const known = counters.get(counter);
    if (known === undefined) {
      if (this.#counted >= MAX_COUNTERS) return undefined;
      this.#counted++;
    }
    counters.set(counter, known === undefined ? [...told] : told.map((value, i) => value + (known[i] ?? 0)));
    if (this.#before === undefined) return undefined;
    const before = this.#before.counters.get(instance)?.get(counter);
    // A restarted process counts from 0 again.
    return before === undefined || told.some((value, i) => value < (before[i] ?? 0)) ? told : told.map((value, i) => value - (before[i] ?? 0));
  }

  #bucketsOf(nodeKey: string): number[] | undefined {
    const all: number[] = [];
    for (const { nodeKey: of, buckets } of this.#durations.values())
      if (of === nodeKey) buckets.forEach((value, i) => (all[i] = (all[i] ?? 0) + value));
    return all.length === 0 ? undefined : all;
  }

  #counts({ count, errors, perSecond }: Added<unknown>, buckets: readonly number[] | undefined): Counts {
    const p95Ms = p95MsOf(buckets);
    return {
      count,
      errors,
      ...(this.#before === undefined ? {} : { perSecond: Math.round(perSecond * 100) / 100 }),
      ...(p95Ms === undefined ? {} : { p95Ms }),
    };
  }

  /** A corrected call may also have fallen back, if its lane has no instance of the service. */
  #isServedByLane(peer: string, tag: string | null | undefined, route: TrafficRoute): boolean {
    if (route === 'base' || route === 'fallback') return false;
    return route !== 'corrected' || (typeof tag === 'string' && this.#lanes.get(peer)?.has(tag) === true);
  }
}

/** What requests of a tag at a service's instances are measured under. */
function durationKeyOf({ to, tag }: { readonly to: Pick<TrafficNode, 'service' | 'tag'>; readonly tag?: string }): string {
  return JSON.stringify([to.service, to.tag ?? '', tag ?? '']);
}

/** A field, where there is something to say. */
export function optional<Key extends string>(key: Key, value: string | null | undefined): Partial<Record<Key, string>> {
  return value === undefined || value === null || value === '' ? {} : ({ [key]: value } as Record<Key, string>);
}
