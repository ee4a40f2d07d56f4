/**
 * The agent's side of Kubernetes (LANE_REGISTRY=kubernetes): hosts that are names of Services are learnt at their first call, and then
 * kept current. Nothing is registered: what an instance is, its pod says. A call to what is not known goes the way the app wrote it.
 */
import type { ServiceKey } from '@lane/core/model';
import type { Absence, KubernetesRegistry } from '@lane/kubernetes-registry';
import type { ServiceNames } from '../outbound/destination.js';
import type { Runtime } from '../boot/runtime.js';

/** How long a call waits for a Service that nobody has asked for yet, in milliseconds. */
const LEARN_TIMEOUT_MS = 3000;
/** Hosts that could be Services; past this many, new ones are left alone rather than remembered. */
const MAX_HOSTS = 1000;
/** A namespace that we may not read is not asked for another guess sooner. */
const REFUSED_MS = 60_000;

type RegistryPackage = typeof import('@lane/kubernetes-registry');
// Loaded at the first call to what could be a Service: not at start.
const load = (): RegistryPackage => require('@lane/kubernetes-registry') as RegistryPackage;

interface Host {
  readonly name: string;
  readonly namespace: string;
  readonly isCertain: boolean;
  readonly ports: Map<number, ServiceKey>;
}

interface Followed {
  /** undefined: the answer is there. */
  pending: Promise<void> | undefined;
}

/** Service names of the cluster that this process is in. */
export function namesInKubernetes(runtime: Runtime): ServiceNames {
  const { options, log, tables } = runtime;
  const { kubernetesServer: server, kubernetesAccount: account } = options;
  if (server === undefined) {
    log.error(
      'LANE_REGISTRY=kubernetes needs a cluster, and KUBERNETES_SERVICE_HOST is not set here: calls go the way they would without the agent. ' +
        'Outside of pods, run kubectl proxy, and set LANE_KUBERNETES_SERVER=http://127.0.0.1:8001',
    );
    return { find: () => undefined, hasNames: () => false, isInternal: () => false, groupOfOwn: () => undefined, learn: () => undefined };
  }
  const apiHost = new URL(server).hostname;
  const aliases = new Map(options.services);
  const hosts = new Map<string, Host>();
  const followed = new Map<string, Followed>();
  const refused = new Map<string, number>();
  /** Namespaces that Services are known of. */
  const readable = new Set<string>();
  let registry: KubernetesRegistry | undefined;
  let isBroken = false;
  let namespace = 'default';

  /** undefined: there is no account to ask with. */
  function connect(): KubernetesRegistry | undefined {
    if (registry !== undefined || isBroken) return registry;
    const { accessByAccount, KubernetesRegistry, namespaceInCluster } = load();
    try {
      registry = new KubernetesRegistry({
        access: accessByAccount(server as string, account),
        log,
        onReachable: (reachable) => {
          if (runtime.registry !== undefined) runtime.registry.reachable = reachable;
        },
      });
    } catch (error) {
      isBroken = true;
      log.error(
        `the agent has no service account to ask Kubernetes with, calls go the way they would without it: ${(error as Error).message}. ` +
          'Is automountServiceAccountToken false?',
      );
      return undefined;
    }
    namespace = namespaceInCluster(account) ?? namespace;
    const { hostname, port, protocol } = new URL(server as string);
    const addresses = [{ host: hostname.replace(/^\[(.*)\]$/, '$1'), port: port === '' ? (protocol === 'https:' ? 443 : 80) : Number(port) }];
    runtime.registry = { kind: 'kubernetes', server: server as string, namespace, transport: 'http', addresses, reachable: true };
    return registry;
  }

  function hostOf(host: string): Host | undefined {
    const known = hosts.get(host);
    if (known !== undefined || !couldBeService(host) || host === apiHost || hosts.size >= MAX_HOSTS || connect() === undefined) return known;
    const parsed = load().parseServiceHost(aliases.get(host) ?? host);
    if (parsed === undefined) return undefined;
    const where = parsed.namespace ?? namespace;
    const made: Host = { name: parsed.name, namespace: where, isCertain: parsed.isCertain || where === namespace, ports: new Map() };
    hosts.set(host, made);
    return made;
  }

  /** Two or more labels must go on with `svc`: most other hosts are told apart by that. */
  function couldBeService(host: string): boolean {
    const second = host.indexOf('.', host.indexOf('.') + 1);
    return !host.includes('.') || second === -1 || host.startsWith('svc', second + 1) || aliases.has(host);
  }

  function follow(known: KubernetesRegistry, key: ServiceKey, host: Host): Promise<void> {
    const service: Followed = { pending: undefined };
    followed.set(idOf(key), service);
    service.pending = new Promise((resolve) => {
      const settle = (): void => {
        clearTimeout(impatient);
        service.pending = undefined;
        resolve();
      };
      // Holds the process: a call waits that has no socket yet.
      const impatient = setTimeout(() => {
        log.once(
          `unknown ${idOf(key)}`,
          'warn',
          `Service ${key.name} of namespace ${host.namespace} is called, but Kubernetes did not tell of it in ${LEARN_TIMEOUT_MS} ms: such calls go the way they would without the agent until it does`,
        );
        settle();
      }, LEARN_TIMEOUT_MS);
      known.follow(key, (state) => {
        if ('instances' in state) {
          tables.update(key, state.instances);
          readable.add(host.namespace);
        } else {
          if (state.absent === 'forbidden') refused.set(host.namespace, performance.now());
          const level = host.isCertain ? 'warn' : 'info';
          if (state.absent !== 'external-name') log.once(`${state.absent} ${idOf(key)}`, level, `${whyAbsent(state.absent, host, key)}${AS_WRITTEN}`);
        }
        settle();
      });
    });
    return service.pending;
  }

  function whyAbsent(absence: Absence, { name, namespace: where }: Host, key: ServiceKey): string {
    const port = key.group.split(':')[1];
    return load().describeAbsence(absence, { name, namespace: where, port: port === undefined ? undefined : Number(port) }, namespace);
  }

  return {
    hasNames: () => true,
    // `name.namespace` may be a public host as well: internal once anything is known of that namespace.
    isInternal(host) {
      const known = hosts.get(host) ?? hostOf(host);
      return known !== undefined && (known.isCertain || readable.has(known.namespace));
    },
    groupOfOwn: () => (connect() === undefined ? undefined : namespace),
    // On the request path, change with care.
    find(host, port) {
      const known = hosts.get(host) ?? hostOf(host);
      if (known === undefined) return undefined;
      let key = known.ports.get(port);
      if (key === undefined && known.ports.size < MAX_HOSTS) {
        known.ports.set(port, (key = load().serviceKeyOf(known.name, known.namespace, port)));
        hostsOfKeys.set(key, known);
      }
      return key;
    },
    learn(key) {
      const known = connect();
      if (known === undefined) return undefined;
      const service = followed.get(idOf(key));
      if (service !== undefined) {
        if (service.pending === undefined) known.lookAgain(key);
        return service.pending;
      }
      const host = hostsOfKeys.get(key) ?? { name: key.name, namespace, isCertain: true, ports: new Map() };
      const refusedAt = refused.get(host.namespace);
      if (!host.isCertain && refusedAt !== undefined && performance.now() - refusedAt < REFUSED_MS) return undefined;
      return follow(known, key, host);
    },
  };
}

const AS_WRITTEN = '. Calls to it go the way they would without the agent, whatever their lane';

const hostsOfKeys = new WeakMap<ServiceKey, Host>();

const idOf = ({ name, group }: ServiceKey): string => `${group}/${name}`;
