/** Kubernetes as a registry: Services are found through EndpointSlices, and their instances' tags are labels of pods. */
import {
  SILENT_LOG,
  type Instance,
  type InstanceListener,
  type Log,
  type Registry,
  type RegistryState,
  type ServiceKey,
  type Unsubscribe,
} from '@lane/core/model';
import { describeAbsence } from './absence.js';
import { KubernetesApi, type KubernetesAccess } from './kubernetes-api.js';
import type { KubernetesError } from './kubernetes-error.js';
import { listInstances, listServices } from './list-instances.js';
import { WatchedService, type Absence, type ServiceListener } from './watched-service.js';

/** Options of {@link KubernetesRegistry}. */
export interface KubernetesRegistryOptions {
  readonly access: KubernetesAccess;
  readonly log?: Log;
  /** Whether watches keep the process alive. Default false. */
  readonly holdProcess?: boolean;
  /** Namespace of the account, for the remedy if it lacks rights and its token does not name it. Default `default`. */
  readonly namespace?: string;
  /** Called once with why an observed service does not exist; logged by default. */
  readonly onAbsent?: (key: ServiceKey, absence: Absence, description: string) => void;
}

/** A port of a Service as a key: lane groups use its name, in any namespace. Without a port: the Service's first. */
export function serviceKeyOf(name: string, namespace: string, port?: number): ServiceKey {
  return { name, group: port === undefined ? namespace : `${namespace}:${port}` };
}

/** How often a missing Service is looked up again while it is observed: slightly less often than allowed. */
const LOOK_AGAIN_MS = 10_500;

/** The registry. {@link serviceKeyOf} creates its keys; groups are namespaces. */
export class KubernetesRegistry implements Registry {
  readonly server: string;
  readonly #api: KubernetesApi;
  readonly #log: Log;
  readonly #namespace: string;
  readonly #onAbsent: (key: ServiceKey, absence: Absence, description: string) => void;
  readonly #services = new Map<string, WatchedService>();
  #downSince: number | undefined;

  constructor({ access, log = SILENT_LOG, holdProcess = false, namespace = 'default', onAbsent }: KubernetesRegistryOptions) {
    this.#api = new KubernetesApi(access, { holdProcess });
    this.server = this.#api.server;
    this.#log = log;
    this.#namespace = namespace;
    this.#onAbsent = onAbsent ?? ((_, __, description) => log.warn(`${description}. Retrying until it exists`));
  }

  get state(): RegistryState {
    const { hostname, port, protocol } = new URL(this.server);
    const addresses = [{ host: hostname.replace(/^\[(.*)\]$/, '$1'), port: port === '' ? (protocol === 'https:' ? 443 : 80) : Number(port) }];
    return {
      kind: 'kubernetes',
      server: this.server,
      namespace: this.#namespace,
      transport: 'http',
      addresses,
      reachable: this.#downSince === undefined,
    };
  }

  get defaultGroup(): string {
    return this.#namespace;
  }

  #follow(key: ServiceKey, listener: ServiceListener): Unsubscribe {
    const { namespace, port } = partsOf(key);
    const id = `${namespace}/${key.name}`;
    let service = this.#services.get(id);
    if (service === undefined) {
      service = new WatchedService(this.#api, namespace, key.name, {
        onTrouble: (error) => this.#noteTrouble(error),
        onAnswer: () => this.#noteAnswer(),
      });
      this.#services.set(id, service);
    }
    const followed = service;
    const unsubscribe = followed.subscribe(port, listener);
    return () => {
      unsubscribe();
      if (followed.hasListeners || this.#services.get(id) !== followed) return;
      followed.close();
      this.#services.delete(id);
    };
  }

  /** Calls `listener` once the Service is known, or known not to exist, then at each change. Looks a missing one up again. */
  observe(key: ServiceKey, listener: InstanceListener): Unsubscribe {
    let absent: Absence | undefined;
    let searching: NodeJS.Timeout | undefined;
    const unfollow = this.#follow(key, (state) => {
      const before = absent;
      absent = 'absent' in state ? state.absent : undefined;
      if (absent === undefined) {
        clearInterval(searching);
        searching = undefined;
      } else {
        searching ??= setInterval(() => this.#lookAgain(key), LOOK_AGAIN_MS).unref();
        if (absent === before) return;
        this.#onAbsent(key, absent, this.#describe(absent, key));
      }
      listener('instances' in state ? state.instances : undefined);
    });
    return () => {
      clearInterval(searching);
      unfollow();
    };
  }

  list(key: ServiceKey): Promise<readonly Instance[]> {
    const { namespace, port } = partsOf(key);
    return listInstances(this.#api, namespace, key.name, port);
  }

  /** Needs the right to list Services, unlike everything else here. */
  services(namespace = this.#namespace): Promise<readonly string[]> {
    return listServices(this.#api, namespace);
  }

  #describe(absent: Absence, key: ServiceKey): string {
    return describeAbsence(absent, { name: key.name, ...partsOf(key) }, { namespace: this.#namespace, account: this.#api.account });
  }

  #lookAgain(key: ServiceKey): void {
    this.#services.get(`${partsOf(key).namespace}/${key.name}`)?.lookAgain();
  }

  close(): Promise<void> {
    for (const service of this.#services.values()) service.close();
    this.#services.clear();
    this.#api.close();
    return Promise.resolve();
  }

  #noteTrouble({ message }: KubernetesError): void {
    if (this.#downSince !== undefined) return;
    this.#downSince = performance.now();
    this.#log.warn(`${message}. Known instances stay in use; retrying until it answers`);
  }

  #noteAnswer(): void {
    if (this.#downSince === undefined) return;
    this.#log.info(`Kubernetes at ${this.server} answers again`, { afterMs: Math.round(performance.now() - this.#downSince) });
    this.#downSince = undefined;
  }
}

function partsOf({ group }: ServiceKey): { namespace: string; port: number | undefined } {
  const [namespace = '', port] = group.split(':');
  return { namespace, port: port === undefined ? undefined : Number(port) };
}
