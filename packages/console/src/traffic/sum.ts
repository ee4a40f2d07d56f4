/** Adds up what instances tell, within bounds: an instance could make up services and tags without end. */
import type { TrafficRoute } from '@lane/core/agent';
import type { SurveyedService } from '@lane/core/model';
import type { Counts, Figures, TrafficEdge, TrafficNode } from './figures.js';

/** Rates are told between two looks that are not further apart. */
const MAX_RATE_SPAN_MS = 20_000;
/** More can't be drawn, and is not sent to the pages. */
const MAX_NODES = 2_000;
const MAX_EDGES = 4_000;
/** Counters that are kept for the next look, for rates. */
const MAX_COUNTERS = 50_000;

/** Who tells. */
export interface Teller {
  readonly service: string;
  /** The instance's tag, undefined for base. */
  readonly tag: string | undefined;
  /** `ip:port` of the instance, as registered. */
  readonly instance: string;
}

/** Counters at a look, by instance and what is counted: an instance that comes or goes is no traffic. */
export interface Look {
  readonly atMs: number;
  readonly counters: ReadonlyMap<string, ReadonlyMap<string, number>>;
}

interface Added<Identity> {
  readonly key: string;
  readonly identity: Identity;
  count: number;
  errors: number;
  perSecond: number;
}

type Node = Added<Pick<TrafficNode, 'service' | 'tag'>> & { instances: number };
type Edge = Added<Pick<TrafficEdge, 'from' | 'to' | 'tag' | 'route'>>;

/** The sum of one look. */
export class Sum {
  /** What was left out, for there was too much. */
  ignored = 0;
  readonly #atMs: number;
  readonly #counters = new Map<string, Map<string, number>>();
  #counted = 0;
  readonly #nodes = new Map<string, Node>();
  readonly #edges = new Map<string, Edge>();
  readonly #before: Look | undefined;
  /** The tags that instances carry, by service. */
  readonly #lanes: ReadonlyMap<string, ReadonlySet<string>>;

  /** `atMs` of `performance.now()`. */
  constructor(services: readonly SurveyedService[], before: Look | undefined, atMs: number) {
    this.#atMs = atMs;
    this.#lanes = new Map(services.map(({ name, tags }) => [name, new Set(tags)]));
    this.#before = before !== undefined && atMs - before.atMs <= MAX_RATE_SPAN_MS ? before : undefined;
  }

  /** What the next look compares with. */
  get look(): Look {
    return { atMs: this.#atMs, counters: this.#counters };
  }

  add({ service, tag: ownTag, instance }: Teller, { requests, calls, ignored }: Figures): void {
    this.ignored += ignored;
    const from = { service, ...optional('tag', ownTag) };
    const node = this.#node(from);
    if (node === undefined) {
      this.ignored += requests.length + calls.length;
      return;
    }
    node.instances++;
    for (const { tag, source, count, errors } of requests) this.#count(node, instance, `request ${tag ?? ''} ${source ?? ''}`, count, errors);
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
    return [...this.#nodes.values()].map((node) => ({ ...node.identity, instances: node.instances, ...this.#counts(node) }));
  }

  edges(): TrafficEdge[] {
    return [...this.#edges.values()].map((edge) => ({ ...edge.identity, ...this.#counts(edge) }));
  }

  #node(identity: Node['identity']): Node | undefined {
    const key = JSON.stringify(identity);
    let node = this.#nodes.get(key);
    if (node === undefined && this.#nodes.size < MAX_NODES) {
      this.#nodes.set(key, (node = { key, identity, instances: 0, count: 0, errors: 0, perSecond: 0 }));
    }
    return node;
  }

  #edge(identity: Edge['identity']): Edge | undefined {
    const key = JSON.stringify(identity);
    let edge = this.#edges.get(key);
    if (edge === undefined && this.#edges.size < MAX_EDGES) this.#edges.set(key, (edge = { key, identity, count: 0, errors: 0, perSecond: 0 }));
    return edge;
  }

  #count(into: Added<unknown>, instance: string, counter: string, count: number, errors: number): void {
    into.count += count;
    into.errors += errors;
    let counters = this.#counters.get(instance);
    if (counters === undefined) this.#counters.set(instance, (counters = new Map()));
    if (!counters.has(counter)) {
      if (this.#counted >= MAX_COUNTERS) return;
      this.#counted++;
    }
    counters.set(counter, (counters.get(counter) ?? 0) + count);
    if (this.#before === undefined) return;
    // What starts anew counts from 0 again.
    const before = this.#before.counters.get(instance)?.get(counter) ?? 0;
    into.perSecond += ((count >= before ? count - before : count) * 1_000) / (this.#atMs - this.#before.atMs);
  }

  #counts({ count, errors, perSecond }: Added<unknown>): Counts {
    return { count, errors, ...(this.#before === undefined ? {} : { perSecond: Math.round(perSecond * 100) / 100 }) };
  }

  /** A call that was corrected may have fallen back, too: then its lane has no instance of the service. */
  #isServedByLane(peer: string, tag: string | null | undefined, route: TrafficRoute): boolean {
    if (route === 'base' || route === 'fallback') return false;
    return route !== 'corrected' || (typeof tag === 'string' && this.#lanes.get(peer)?.has(tag) === true);
  }
}

/** A field, where there is something to say. */
export function optional<Key extends string>(key: Key, value: string | null | undefined): Partial<Record<Key, string>> {
  return value === undefined || value === null || value === '' ? {} : ({ [key]: value } as Record<Key, string>);
}
