/** Where a request goes: its route, its tag, and the instance that serves it. */
import {
  BAGGAGE_HEADER,
  decideRequestTag,
  LaneUnavailableError,
  linesOf,
  nextCandidate,
  pick,
  route,
  type Decision,
  type Instance,
  type ServiceTables,
  type TagCodec,
  chance,
} from '@lane/core/model';
import { requestView, type LaneRules, type TrustTest } from '@lane/core/rules';
import { addressOf, Exchange } from '../exchange.js';
import { clientOf } from '../forward/client.js';
import { readHead, type Refusal } from '../forward/request-framing.js';
import type { AnyRequest } from '../listen/listener.js';
import { findRoute, targetOf, type CompiledTarget, type RouteTable } from './routes.js';
import { entryRulesAt, varyOfRules } from './vary.js';

/** On how many instances a request is tried while nothing of it has been sent: this many of its lane, and again of base. */
const MAX_TRIES = 3;

/** Parameters of a {@link Decider}. */
export interface DeciderOptions {
  readonly routes: RouteTable;
  readonly tables: ServiceTables;
  readonly codec: TagCodec;
  /** `hosts`: a route says which lane serves; `rules`: entry rules decide. */
  readonly entry: 'hosts' | 'rules';
  /** The gateway's name in lane groups. */
  readonly service: string;
  readonly trusts: TrustTest;
}

/** Decides for each request. */
export class Decider {
  readonly #options: DeciderOptions;
  /** By service: what its entry rules look at, for the rules in force. */
  #vary = new Map<string, string | undefined>();
  #varyFor: LaneRules | undefined;

  constructor(options: DeciderOptions) {
    this.#options = options;
  }

  /** Creates the record of a request. */
  take(request: AnyRequest): Exchange {
    const client = clientOf(request, this.#options.trusts);
    const head = readHead(request);
    const { headers } = request;
    // What routes and rules see; the instance's head is built from the raw lines. A final dot names the same host.
    const { authority = '' } = head;
    const host = authority.replace(/\.(?=:\d*$|$)/, '');
    const seen =
      host === authority && headers.host === authority && headers[':authority'] === undefined
        ? headers
        : { ...headers, host, ':authority': undefined };
    const view = requestView({ method: request.method ?? 'GET', url: head.matched, headers: seen, clientIp: client.ip });
    return new Exchange(request, head, view, client);
  }

  /** The target of a request, with its tag decided; or why there is none. */
  decide(exchange: Exchange): CompiledTarget | Refusal {
    const { routes, codec, entry, service, tables } = this.#options;
    const { view, request, client } = exchange;
    const route = findRoute(routes, view.host, view.path);
    if (route === undefined) return { status: 404, message: `no route for host ${view.host || '(none)'} and path ${view.path}` };
    if (route.problem !== undefined) return { status: 503, message: route.problem };
    const target = route.canaries.length === 0 ? route : targetOf(route, view, Math.random);
    exchange.target = target;
    const believed = client.trusted ? codec.readRaw(request.rawHeaders, target.key.name) : undefined;
    const carried = client.trusted ? codec.carriedIn?.((name) => linesOf(request.rawHeaders, name)) : undefined;
    const { rules } = tables;
    if (entry === 'hosts') {
      if (target.tag !== undefined) exchange.tag = { tag: target.tag, source: 'route' };
      else if (believed !== undefined) exchange.tag = { tag: believed, source: 'inbound' };
      exchange.vary = client.trusted ? joinVary(route.vary, this.#laneNames().join(', ')) : route.vary;
    } else {
      // The gateway's own rules, or else those of the service behind, which then gets a tagged request.
      const own = rules?.entryOf(service);
      const entryRules = own ?? rules?.entryOf(target.key.name);
      const decided = decideRequestTag(believed, () => view, { rules, entry: entryRules, stamp: target.tag, random: Math.random });
      exchange.tag = decided.source === 'stamp' ? { tag: decided.tag, source: 'route' } : decided;
      // A rule or a route's lane decides for all services; the request's tags for single services no longer count.
      if (carried !== undefined && decided.tag === believed) exchange.tag = { ...exchange.tag, carried };
      exchange.vary = joinVary(route.vary, this.#varyAt(own === undefined ? target.key.name : service, client.trusted));
    }
    return target;
  }

  /**
   * The next untried instance for a request: at most three of its lane, then, if the lane falls back, at most three of
   * base. Undefined if there is none.
   */
  choose(exchange: Exchange, target: CompiledTarget, tried: ReadonlySet<Instance>): Instance | undefined {
    const { tables } = this.#options;
    const { tag, source } = exchange.tag;
    const index = tables.get(target.key)?.index;
    const decision = index === undefined ? undefined : route(index, tag);
    exchange.decision = decision;
    exchange.instance = undefined;
    if (index === undefined || decision === undefined || this.#isStray(decision, exchange)) return undefined;
    if (tried.size === 0) return (exchange.instance = pick(decision, chance));
    let laneTries = 0;
    const addresses = new Set<string>();
    for (const instance of tried) {
      if (tag !== undefined && tables.tagOf(target.key.name, instance) === tag) laneTries++;
      addresses.add(addressOf(instance));
    }
    if (tried.size - laneTries >= MAX_TRIES) return undefined;
    const next = nextCandidate(index, tag, (instance) => addresses.has(addressOf(instance)), laneTries >= MAX_TRIES, chance);
    if (next === undefined || (next.reason !== decision.reason && source === 'route')) return undefined;
    if (next.reason !== decision.reason) exchange.decision = { ...index.untagged, reason: next.reason, tag };
    return (exchange.instance = next.instance);
  }

  /** The message if no instance serves. */
  unavailable(exchange: Exchange, { key }: CompiledTarget): Refusal {
    const { tag, source } = exchange.tag;
    if (this.#options.entry !== 'hosts' || source !== 'route') return { status: 503, message: new LaneUnavailableError(key, tag).message };
    return {
      status: 503,
      message: `ELANE_UNAVAILABLE: the route of host ${exchange.view.host} leads to lane ${tag} of service ${key.name}, which has no healthy instance. Start one with LANE_TAG=${tag}, or point the route elsewhere: a route has no fallback (with --entry rules, the lane's fallback applies).`,
    };
  }

  /** A route to a lane is a Service that selects the lane's pods: it has no fallback. */
  #isStray({ reason }: Decision, { tag }: Exchange): boolean {
    return this.#options.entry === 'hosts' && tag.source === 'route' && reason !== 'in-lane';
  }

  #laneNames(): string[] {
    return [BAGGAGE_HEADER, ...this.#options.codec.ownHeaders];
  }

  #varyAt(service: string, trusted: boolean): string | undefined {
    const { rules } = this.#options.tables;
    if (rules !== this.#varyFor) {
      this.#vary = new Map();
      this.#varyFor = rules;
    }
    const key = trusted ? `${service} trusted` : service;
    if (!this.#vary.has(key))
      this.#vary.set(key, varyOfRules(rules === undefined ? [] : entryRulesAt(rules, service), trusted ? this.#laneNames() : []));
    return this.#vary.get(key);
  }
}

function joinVary(one: string | undefined, other: string | undefined): string | undefined {
  if (one === undefined || other === undefined) return one ?? other;
  return one === '*' || other === '*' ? '*' : `${one}, ${other}`;
}
