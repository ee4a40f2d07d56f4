/**
 * Kubernetes as the agent's registry (LANE_REGISTRY=kubernetes): the agent learns a Service at the first call to its name, and then
 * keeps it current. Nothing is registered: an instance is what its pod says. A call to an unknown host goes as the app wrote it.
 */
import type { AgentOptions } from '@lane/core/agent';
import type { RegistryState, ServiceKey, ServiceNames, Unsubscribe } from '@lane/core/model';
import type { Absence, KubernetesRegistry } from '@lane/kubernetes-registry';
import type { AgentLog } from '../boot/log.js';
import type { ObservedRegistry } from './learner.js';

/** How many hosts that could be Services are remembered; further ones are left alone. */
const MAX_HOSTS = 1000;
/** How long before a guess in a namespace that we may not read is tried again. */
const REFUSED_MS = 60_000;
const AS_WRITTEN = '. Calls to it go the way they would without the agent, whatever their lane';

type RegistryPackage = typeof import('@lane/kubernetes-registry');
// Loaded at the first call to what could be a Service: not at start.
const load = (): RegistryPackage => require('@lane/kubernetes-registry') as RegistryPackage;

interface Host {
  readonly name: string;
  readonly namespace: string;
  readonly isCertain: boolean;
  readonly ports: Map<number, ServiceKey>;
}

/** The cluster that this process is in. */
export class KubernetesDiscovery implements ObservedRegistry, ServiceNames {
  readonly names: ServiceNames = this;
  readonly isEmpty: boolean;
  readonly #server: string | undefined;
  readonly #account: string | undefined;
  readonly #apiHost: string | undefined;
  readonly #aliases: ReadonlyMap<string, string>;
  readonly #log: AgentLog;
  readonly #hosts = new Map<string, Host>();
  readonly #hostsOfKeys = new WeakMap<ServiceKey, Host>();
  readonly #refusedAt = new Map<string, number>();
  /** Namespaces with known Services. */
  readonly #readable = new Set<string>();
  #registry: KubernetesRegistry | undefined;
  #isBroken = false;
  #namespace = 'default';

  constructor({ kubernetesServer, kubernetesAccount, services }: AgentOptions, log: AgentLog) {
    this.#server = kubernetesServer;
    this.#account = kubernetesAccount;
    this.#aliases = new Map(services.map(([host, service]) => [host, service]));
    this.#log = log;
    this.isEmpty = kubernetesServer === undefined;
    this.#apiHost = kubernetesServer === undefined ? undefined : new URL(kubernetesServer).hostname;
    if (kubernetesServer === undefined)
      log.error(
        'LANE_REGISTRY=kubernetes needs a cluster, and KUBERNETES_SERVICE_HOST is not set here: calls go the way they would without the agent. ' +
          'Outside of pods, run kubectl proxy, and set LANE_KUBERNETES_SERVER=http://127.0.0.1:8001',
      );
  }

  get state(): RegistryState | undefined {
    return this.#registry?.state;
  }

  get defaultGroup(): string {
    this.#connect();
    return this.#namespace;
  }

  observe(key: ServiceKey, listener: Parameters<ObservedRegistry['observe']>[1]): Unsubscribe | undefined {
    const registry = this.#connect();
    const namespace = this.#hostsOfKeys.get(key)?.namespace ?? this.#namespace;
    return registry?.observe(key, (instances) => {
      if (instances !== undefined) {
        this.#readable.add(namespace);
        this.#refusedAt.delete(namespace);
      }
      listener(instances);
    });
  }

  // On the request path, change with care.
  find(host: string, port: number): ServiceKey | undefined {
    const known = this.#hosts.get(host) ?? this.#hostOf(host);
    if (known === undefined || (!known.isCertain && this.#isRefused(known.namespace))) return undefined;
    let key = known.ports.get(port);
    if (key === undefined && known.ports.size < MAX_HOSTS) {
      known.ports.set(port, (key = load().serviceKeyOf(known.name, known.namespace, port)));
      this.#hostsOfKeys.set(key, known);
    }
    return key;
  }

  /** `name.namespace` may be a public host as well: internal once anything is known of that namespace. */
  isInternal(host: string): boolean {
    const known = this.#hosts.get(host) ?? this.#hostOf(host);
    return known !== undefined && (known.isCertain || this.#readable.has(known.namespace));
  }

  #isRefused(namespace: string): boolean {
    const refusedAt = this.#refusedAt.size === 0 ? undefined : this.#refusedAt.get(namespace);
    return refusedAt !== undefined && performance.now() - refusedAt < REFUSED_MS;
  }

  #hostOf(host: string): Host | undefined {
    if (!this.#couldBeService(host) || host === this.#apiHost || this.#hosts.size >= MAX_HOSTS || this.#connect() === undefined) return undefined;
    const parsed = load().parseServiceHost(this.#aliases.get(host) ?? host);
    if (parsed === undefined) return undefined;
    const namespace = parsed.namespace ?? this.#namespace;
    const made: Host = { name: parsed.name, namespace, isCertain: parsed.isCertain || namespace === this.#namespace, ports: new Map() };
    this.#hosts.set(host, made);
    return made;
  }

  /** Two or more labels must be followed by `svc`, which rules out most other hosts. */
  #couldBeService(host: string): boolean {
    if (this.isEmpty) return false;
    const second = host.indexOf('.', host.indexOf('.') + 1);
    return !host.includes('.') || second === -1 || host.startsWith('svc', second + 1) || this.#aliases.has(host);
  }

  /** undefined: there is no service account. */
  #connect(): KubernetesRegistry | undefined {
    if (this.#registry !== undefined || this.#isBroken || this.#server === undefined) return this.#registry;
    const { accessByAccount, KubernetesRegistry, namespaceInCluster } = load();
    const namespace = namespaceInCluster(this.#account) ?? this.#namespace;
    try {
      this.#registry = new KubernetesRegistry({
        access: accessByAccount(this.#server, this.#account),
        namespace,
        log: this.#log,
        onAbsent: (...absent) => this.#tellAbsent(...absent),
      });
    } catch (error) {
      this.#isBroken = true;
      this.#log.error(
        `the agent has no service account to ask Kubernetes with, so calls are not routed: ${(error as Error).message}. ` +
          'Is automountServiceAccountToken false?',
      );
      return undefined;
    }
    this.#namespace = namespace;
    return this.#registry;
  }

  #tellAbsent(key: ServiceKey, absence: Absence, description: string): void {
    const host = this.#hostsOfKeys.get(key);
    if (absence === 'forbidden' && host !== undefined) this.#refusedAt.set(host.namespace, performance.now());
    const level = host?.isCertain === false ? 'info' : 'warn';
    if (absence !== 'external-name') this.#log.once(`${absence} ${key.group}/${key.name}`, level, `${description}${AS_WRITTEN}`);
  }
}
