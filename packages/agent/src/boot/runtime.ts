/** What hooks share, wired together: one per process. Each hook takes the parts that it names. */
import {
  createRouter,
  createTagCodec,
  DoubtLog,
  listedFormats,
  OutlierLog,
  placeOf,
  serviceIdOf,
  ServiceTables,
  setBackgroundLane,
  type Registry,
  type RegistryState,
  type Router,
  type ServiceKey,
  type ServiceNames,
  type TagCodec,
  type Unsubscribe,
  messageOf,
  SYSTEM_CLOCK,
  type Clock,
} from '@lane/core/model';
import { noPlace, type AgentOptions } from '@lane/core/agent';
import type { LaneRules } from '@lane/core/rules';
import type { AppRegistration, RegistrationAnnouncement, RegistrationGate } from '@lane/nacos-registry';
import { DeclaredNames } from '../discovery/declared-names.js';
import { LaneGroupsInForce } from '../discovery/lane-groups-in-force.js';
import { Learner, type ObservedRegistry } from '../discovery/learner.js';
import { NacosDiscovery } from '../discovery/nacos.js';
import { OwnService } from '../discovery/own-service.js';
import { RequestLanes } from '../inbound/request-lanes.js';
import type { Messaging } from '../messages/messaging.js';
import type { Observers } from '../observe/observers.js';
import type { Drain } from '../observe/admin/drain.js';
import { Connecting } from '../outbound/connecting/connecting.js';
import type { Outbound } from '../outbound/outbound.js';
import { createPropagation, type Propagation } from '../outbound/propagation.js';
import { UnresolvedNames } from '../outbound/unresolved-names.js';
import { safely } from '../patching/safely.js';
import type { AgentLog } from './log.js';

/** The parts of the agent. */
export class Runtime implements Outbound, Messaging {
  readonly options: AgentOptions;
  readonly log: AgentLog;
  readonly codec: TagCodec;
  readonly tables: ServiceTables;
  readonly own: OwnService;
  readonly requests: RequestLanes;
  readonly router: Router;
  readonly connecting: Connecting;
  readonly unresolved: UnresolvedNames;
  readonly propagation: Propagation;
  readonly observers: Observers = { traffic: undefined, verdicts: undefined };
  readonly laneGroups = new LaneGroupsInForce((rules) => this.setRules(rules));
  /** The Nacos SDKs that the app uses, whichever registry the agent itself uses. */
  readonly nacos: NacosDiscovery;
  readonly learner: Learner;
  readonly isolates: boolean;
  /** What instances announce, where there is an admin port. */
  announcement: RegistrationAnnouncement | undefined;
  /** What holds registrations back, under LANE_LOSSLESS. */
  gate: RegistrationGate | undefined;
  /** The drain of this process, whoever started it. */
  drain: Drain | undefined;
  /** What the app has registered, by service and address. */
  readonly registrations = new Map<string, AppRegistration>();
  /** Of those, by service and address, what a drain has deregistered. */
  readonly withdrawn = new Set<string>();
  /** Called as the app registers. */
  onRegister: (() => void) | undefined;
  readonly #registry: ObservedRegistry;
  readonly #declared: DeclaredNames;
  #addresses: RegistryState['addresses'] | undefined;

  constructor(options: AgentOptions, log: AgentLog) {
    this.options = options;
    this.log = log;
    this.isolates = options.messages === 'isolate';
    this.codec = createTagCodec({
      formats: options.formats,
      formatsIn: options.formatsIn,
      baggageKey: options.baggageKey,
      fallback: options.fallback,
      rules: () => this.tables.rules,
      service: () => this.own.name,
      onNotice: (message) => log.warn(message),
    });
    const holdMs = (): number => options.registryHoldMs ?? this.#registry.holdMs ?? 0;
    const doubts = new DoubtLog(log, holdMs, GUARDED_CLOCK);
    const outliers = new OutlierLog(log, GUARDED_CLOCK);
    this.tables = new ServiceTables({
      clock: GUARDED_CLOCK,
      baseMode: options.baseMode,
      fallback: options.fallback,
      formats: listedFormats(options),
      holdMs,
      outlier: options.outlier,
      near: options.near,
      remembersGone: true,
      place: options,
      onDoubt: (doubted) => doubts.note(doubted),
      onEjection: (ejection) => outliers.note(ejection),
      onError: (error) => log.once(`list ${messageOf(error)}`, 'error', 'a list of instances could not be processed', { error: messageOf(error) }),
    });
    this.nacos = new NacosDiscovery({
      options,
      log,
      tables: this.tables,
      codec: this.codec,
      laneGroups: this.laneGroups,
      registered: (key, metadata, registration) => this.registered(key, metadata, registration),
      deregistered: (key, address) => this.registrations.delete(registrationId(key, address)),
      announcement: () => this.announcement,
      gate: () => this.gate,
    });
    this.#registry = registryOf(options, log, this.nacos);
    this.#registry.watchTrouble?.((isReachable) => this.tables.trouble(isReachable));
    this.own = new OwnService(options.service, () => this.#registry.defaultGroup);
    this.#declared = new DeclaredNames(
      this.tables,
      options.registry === 'kubernetes' ? '' : this.#registry.defaultGroup,
      options.services,
      this.laneGroups,
      log,
    );
    const names: ServiceNames = this.#registry.names ?? this.#declared;
    this.learner = new Learner(this.#registry, this.tables, log);
    this.requests = new RequestLanes(this.codec, this.tables, options.trust);
    this.propagation = createPropagation(options, (host) => this.tables.hasHost(host) || names.isInternal(host), log);
    this.router = createRouter(this.tables, names, (key) => this.learner.learn(key), options.corrects);
    this.unresolved = new UnresolvedNames(this.#registry, (host) => names.isInternal(host), log);
    this.connecting = new Connecting(this.router, this.tables, log, () => performance.now(), options);
    this.setRules(undefined);
    // Calls that come before there is a connection wait for them, too.
    if (options.nacosServer !== undefined && options.rules === 'nacos') this.laneGroups.expect();
  }

  /** State of the registry that services are learnt from; undefined: it has not been asked yet. */
  get registryState(): RegistryState | undefined {
    return this.#registry.state;
  }

  /** Whether this is a server of a registry that the agent itself talks to. */
  isRegistry(host: string, port: number): boolean {
    const servers = (this.#addresses ??= this.#registry.state?.addresses);
    if (servers === undefined) return false;
    for (let i = 0; i < servers.length; i++) {
      const server = servers[i] as { host: string; port: number };
      if (server.port === port && server.host === host) return true;
    }
    return false;
  }

  /** Applies lane groups at once, to all further requests. */
  setRules(rules: LaneRules | undefined): void {
    const { tag, stamp, background } = this.options;
    this.tables.setRules(rules);
    const own = tag !== undefined && rules?.isDisabledTag(tag) !== true ? tag : undefined;
    this.requests.use(rules?.entryOf(this.own.name), stamp ? own : undefined);
    setBackgroundLane(background === 'own' ? own : undefined);
    this.#declared.declare(rules?.services ?? []);
  }

  /** Records what the app registers. Without an option, its metadata says where this process is. */
  registered(key: ServiceKey, metadata: Readonly<Record<string, string>>, registration: AppRegistration): void {
    this.onRegister?.();
    const { zone, region, near } = this.options;
    if (zone === undefined || region === undefined) {
      const told = placeOf(metadata);
      this.tables.setPlace({ zone: zone ?? told.zone ?? this.tables.place.zone, region: region ?? told.region ?? this.tables.place.region });
      const { place } = this.tables;
      if (near.circle !== 'off' && place.zone === undefined && place.region === undefined) this.log.once('no place', 'warn', noPlace(near));
    }
    if (this.own.registeredAs(key)) this.setRules(this.tables.rules);
    this.registrations.set(registrationId(key, registration.address), registration);
  }

  /** Observes a service where the app registers, as a caller would; undefined: there is no registry to ask. */
  observe(...args: Parameters<Registry['observe']>): Unsubscribe | undefined {
    return this.nacos.observe(...args);
  }
}

function registrationId(key: ServiceKey, address: string): string {
  return `${serviceIdOf(key)} ${address}`;
}

function registryOf(options: AgentOptions, log: AgentLog, nacos: NacosDiscovery): ObservedRegistry {
  if (options.registry === 'nacos') return nacos;
  // Not at the top: with Nacos it is not needed.
  if (options.registry === 'kubernetes') {
    const { KubernetesDiscovery } = require('../discovery/kubernetes.js') as typeof import('../discovery/kubernetes.js');
    return new KubernetesDiscovery(options, log);
  }
  const { createOwnRegistry } = require('../discovery/own-registry.js') as typeof import('../discovery/own-registry.js');
  return createOwnRegistry(options.registry, log) ?? NO_REGISTRY;
}

/** A timer that throws would end the host. */
const GUARDED_CLOCK: Clock = { ...SYSTEM_CLOCK, after: (ms, work) => SYSTEM_CLOCK.after(ms, safely('timer', work)) };

const NO_REGISTRY: ObservedRegistry = { names: undefined, state: undefined, defaultGroup: '', observe: () => undefined };
