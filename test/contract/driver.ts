import type { RunningNacos } from '../servers/index.js';

/**
 * What the contract needs from an SDK. A driver hides the SDK's argument order, its cluster and error forms, and the bugs that
 * shared/nacos.md lists. It never hides a server's behaviour.
 */
export interface NacosDriver {
  /** Package name of the SDK; `@lane/nacos-registry` is our own connection. */
  readonly sdk: 'nacos' | 'nacos-sdk-rust-binding-node' | '@lane/nacos-registry';
  readonly protocol: 'http' | 'grpc';
  /** `decorate` gets the SDK's client before its first call, and returns the one to use, as our adapters do. */
  createNaming(connection: Connection, decorate?: <Client extends object>(client: Client) => Client): Promise<NamingClient>;
  createConfig(connection: Connection): Promise<ConfigClient>;
  /** Registers an instance from a client whose sudden end can be staged. */
  startProvider(connection: Connection, service: Service, instance: NewInstance): Promise<Provider>;
}

export interface Connection {
  address: string;
  namespace: string;
  username?: string;
  password?: string;
}

export interface Service {
  name: string;
  group: string;
}

export interface NewInstance {
  ip: string;
  port: number;
  weight?: number;
  clusterName?: string;
  enabled?: boolean;
  metadata?: Record<string, string>;
}

/** The fields of an instance that both SDKs report. */
export interface Instance {
  ip: string;
  port: number;
  weight: number;
  healthy: boolean;
  enabled: boolean;
  ephemeral: boolean;
  clusterName: string;
  metadata: Record<string, string>;
}

export interface NamingClient {
  register(service: Service, instance: NewInstance): Promise<void>;
  deregister(service: Service, instance: NewInstance): Promise<void>;
  /** The server's current instances, of all clusters or the named ones; not from the client's cache. */
  list(service: Service, clusters?: string[]): Promise<Instance[]>;
  /** The same, healthy instances only. */
  listHealthy(service: Service): Promise<Instance[]>;
  /** Instances of the cluster DEFAULT, now and at each change. */
  subscribe(service: Service, listener: (instances: Instance[]) => void): Promise<void>;
  close(): Promise<void>;
}

export interface ConfigClient {
  /** undefined if there is none. */
  get(dataId: string, group: string): Promise<string | undefined>;
  publish(dataId: string, group: string, content: string): Promise<void>;
  remove(dataId: string, group: string): Promise<void>;
  listen(dataId: string, group: string, listener: (content: string) => void): Promise<void>;
  close(): Promise<void>;
}

export interface Provider {
  /** Vanishes silently: its heartbeats stop, or its connection breaks. */
  vanish(): Promise<void>;
}

/** How a client of namespace `namespace` reaches `server`. */
export function connectionTo(server: RunningNacos, namespace: string): Connection {
  return { address: server.address, namespace, ...server.credentials };
}

/** A name that no other test uses: a server may serve several runs. */
export function uniqueName(prefix: string): string {
  return `${prefix}-${Math.random().toString(36).slice(2, 10)}`;
}
