/** What the instrumentations share: one per process, made at start. */
import {
  createTagCodec,
  currentContext,
  decideRequestTag,
  laneContext,
  NO_TAG,
  REQUEST_MARK,
  ServiceTables,
  setBackgroundLane,
  type LaneContext,
  type RequestTag,
  type ServiceKey,
  type Tag,
  type TagCodec,
} from '@lane/core/model';
import type { AgentOptions } from '@lane/core/agent';
import type { EntryRules, LaneRules, RequestView, Trust, TrustTest } from '@lane/core/rules';
import { createDestinations, type Destinations, type Outcome, type ServiceNames } from '../outbound/destination.js';
import type { AgentLog } from './log.js';
import { packageNameOf } from './package-name.js';
import type { CallRoutes } from '../observe/routes.js';
import type { Announcement, LaneGroupsState, RegistryState } from '../observe/states.js';
import type { TrafficRecorder } from '../observe/traffic/recorder.js';
import type { AppRegistration } from '@lane/nacos-registry';
import { createPropagation, type Propagation } from '../outbound/propagation.js';

const MAX_REMEMBERED_TAGS = 256;

/** An inbound request, as much of it as deciding its tag takes. */
export interface InboundRequest {
  readonly rawHeaders: readonly string[];
  readonly socket?: { readonly remoteAddress?: string | undefined };
  /** Of HTTP/2: what the request was made of, and where its tag has been decided already. */
  readonly stream?: { [REQUEST_MARK]?: RequestTag };
  [REQUEST_MARK]?: RequestTag;
}

/** The runtime of the agent. */
export class Runtime {
  readonly options: AgentOptions;
  readonly log: AgentLog;
  readonly codec: TagCodec;
  readonly tables: ServiceTables;
  readonly destinations: Destinations;
  /** Service names of the registry at hand. */
  readonly names: ServiceNames;
  readonly propagation: Propagation;
  /** How often each way of choosing a destination was taken. */
  readonly outcomes = new Map<Outcome, number>();
  /** Asks Nacos for a service that is called by name, and resolves when it is known or can't be; set by the link to it. */
  learn: ((key: ServiceKey) => Promise<void>) | undefined;
  /** LANE_MESSAGES=isolate. */
  get isolates(): boolean {
    return this.options.messages === 'isolate';
  }
  /** Where calls went, under LANE_TRACES. */
  routes: CallRoutes | undefined;
  /** Counts requests and calls, where somebody asks for figures. */
  traffic: TrafficRecorder | undefined;
  /** What instances announce, where there is an admin port. */
  announcement: Announcement | undefined;
  /** Where the lane groups in force came from. */
  laneGroups: LaneGroupsState = { origin: null, md5: null, problems: [] };
  /** The agent's own connection. */
  registry: RegistryState | undefined;
  /** What the app has registered, by service and address. */
  readonly registrations = new Map<string, AppRegistration>();
  /** Of those, by service and address, what a drain has taken out. */
  readonly withdrawn = new Set<string>();
  /** Told of each tagged request, before its handler is run. */
  onTagged: ((context: LaneContext) => void) | undefined;

  readonly #trusts: TrustTest | undefined;
  readonly #inbound = new Map<Tag, RequestTag>();
  #service: string | undefined;
  #registryGroup: string | undefined;
  /** Read when it is asked for: only entry rules need it. */
  #packageName: string | undefined;
  #entry: EntryRules | undefined;
  #stamp: Tag | undefined;
  /** Hosts that are service names. */
  #hosts = new Map<string, ServiceKey>();

  constructor(options: AgentOptions, log: AgentLog) {
    this.options = options;
    this.log = log;
    this.#service = options.service;
    this.#trusts = trustOf(options.trust);
    this.codec = createTagCodec({
      formats: options.formats,
      formatsIn: options.formatsIn,
      baggageKey: options.baggageKey,
      groupOf: (tag) => this.tables.rules?.groupOf(tag),
    });
    this.tables = new ServiceTables({
      baseMode: options.baseMode,
      fallback: options.fallback,
      nepxion: options.formats.includes('nepxion') || options.formatsIn.includes('nepxion'),
    });
    this.names = options.registry === 'kubernetes' ? this.#namesInKubernetes() : this.#namesInNacos();
    this.propagation = createPropagation(options.propagateTo, (host) => this.tables.hasHost(host) || this.names.isInternal(host), log);
    this.destinations = createDestinations(this.tables, this.names, (outcome) => this.outcomes.set(outcome, (this.outcomes.get(outcome) ?? 0) + 1));
    this.setRules(undefined);
  }

  #namesInKubernetes(): ServiceNames {
    // Here and not at the top: who has Nacos needs nothing of it.
    return (require('../discovery/kubernetes-link.js') as typeof import('../discovery/kubernetes-link.js')).namesInKubernetes(this);
  }

  /** Services of the lane groups, and of LANE_SERVICES. */
  #namesInNacos(): ServiceNames {
    return {
      find: (host) => this.#hosts.get(host),
      hasNames: () => this.#hosts.size > 0,
      isInternal: (host) => this.#hosts.has(host),
      groupOfOwn: () => this.#registryGroup,
      learn: (key) => (this.learn === undefined ? undefined : this.learn(key)),
    };
  }

  /** The name of this service: the option, else what it registered as, else that in its package.json, else empty. */
  get service(): string {
    return this.#service ?? (this.#packageName ??= packageNameOf() ?? '');
  }

  /** This service in the registry. */
  get serviceKey(): ServiceKey {
    return { name: this.service, group: this.names.groupOfOwn() ?? this.options.nacosGroup };
  }

  /** Takes the name under which the app registers, unless it has one already. */
  registeredAs(key: ServiceKey): void {
    this.#registryGroup = key.group;
    if (this.#service !== undefined) return;
    this.#service = key.name;
    this.setRules(this.tables.rules);
  }

  /** Whether this is a server of the registry that the agent itself talks to. */
  isRegistry(host: string, port: number): boolean {
    const servers = this.registry?.addresses;
    if (servers === undefined) return false;
    for (let i = 0; i < servers.length; i++) {
      const server = servers[i] as { host: string; port: number };
      if (server.port === port && server.host === host) return true;
    }
    return false;
  }

  /** Puts lane groups in force: at once, for all requests from now on. */
  setRules(rules: LaneRules | undefined): void {
    const { tag, stamp, background, services, nacosGroup } = this.options;
    this.tables.setRules(rules);
    this.#entry = rules?.entryOf(this.service);
    const own = tag !== undefined && rules?.isDisabledTag(tag) !== true ? tag : undefined;
    this.#stamp = stamp ? own : undefined;
    setBackgroundLane(background === 'own' ? own : undefined);

    const hosts = new Map<string, ServiceKey>();
    for (const name of rules?.services ?? []) addHost(hosts, name, { name, group: nacosGroup });
    for (const [host, name] of services) addHost(hosts, host, { name, group: nacosGroup });
    this.#hosts = hosts;
  }

  /**
   * The context to run an inbound request's handler in; undefined: leave things as they are, which is base.
   * `view` makes what entry rules look at, and is called only where there are any.
   */
  contextOf<T extends InboundRequest>(request: T, view: (request: T) => RequestView): LaneContext | undefined {
    let mark = request[REQUEST_MARK] ?? request.stream?.[REQUEST_MARK];
    let disbelieved = false;
    if (mark === undefined) {
      let inbound = this.codec.readRaw(request.rawHeaders);
      if (inbound !== undefined && this.#trusts !== undefined && !this.#trusts(request.socket?.remoteAddress)) {
        inbound = undefined;
        disbelieved = true;
      }
      mark = inbound === undefined && this.#entry === undefined && this.#stamp === undefined ? NO_TAG : this.#decide(inbound, request, view);
      disbelieved ||= inbound !== undefined && mark.tag !== inbound;
      request[REQUEST_MARK] = mark;
    }
    if (mark.tag !== undefined) {
      const context = laneContext(mark.tag);
      this.onTagged?.(context);
      return context;
    }
    // Expressly base where there is something to get away from: a lane around us, or a tag that the app might copy.
    return disbelieved || currentContext() !== undefined ? laneContext(undefined) : undefined;
  }

  #decide<T extends InboundRequest>(inbound: Tag | undefined, request: T, view: (request: T) => RequestView): RequestTag {
    if (inbound !== undefined) {
      const { rules } = this.tables;
      if (rules === undefined || !rules.isDisabledTag(inbound)) {
        let mark = this.#inbound.get(inbound);
        if (mark === undefined) {
          mark = Object.freeze({ tag: inbound, source: 'inbound' });
          if (this.#inbound.size < MAX_REMEMBERED_TAGS) this.#inbound.set(inbound, mark);
        }
        return mark;
      }
    }
    return decideRequestTag(undefined, () => view(request), {
      rules: this.tables.rules,
      entry: this.#entry,
      stamp: this.#stamp,
      random: Math.random,
    });
  }
}

function addHost(hosts: Map<string, ServiceKey>, host: string, key: ServiceKey): void {
  hosts.set(host, key);
  // URLs carry host names in lower case, whatever the service is called.
  hosts.set(host.toLowerCase(), key);
}

/** undefined: everybody is trusted, and nothing has to be asked. */
function trustOf(trust: Trust): TrustTest | undefined {
  if (trust === 'all') return undefined;
  if (trust === 'none') return () => false;
  // Here and not at the top: few apps name networks.
  const { compileTrust } = require('@lane/core/rules') as typeof import('@lane/core/rules');
  return compileTrust(trust);
}
