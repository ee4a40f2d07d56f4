import type { Log } from '../log.js';
import type { Instance } from './instance.js';
import type { ServiceKey } from './service-tables.js';

/** Called with all instances of a service, healthy or not; undefined: there is no such service, and the name belongs to something else. */
export type InstanceListener = (instances: readonly Instance[] | undefined) => void;

/** Which hosts are services. Used on the request path: a look-up, without waiting. */
export interface ServiceNames {
  /** Whether no host can be a service, so that no look-up is needed. */
  readonly isEmpty: boolean;
  /**
   * The service of this host and port; undefined: the host is not ours. `isCall` false: this may not be a call to a service, so
   * leaving it alone is not logged.
   */
  find(host: string, port: number, isCall?: boolean): ServiceKey | undefined;
  /**
   * While not all names are known: settles when it is known whether this host is a service, or can't be known. Never rejects. undefined: it is known,
   * or the host can't be one. Absent: all names are known from the start.
   */
  pending?(host: string): Promise<void> | undefined;
  /** Whether a host belongs to the call chain, and may have the tag, by its name alone. */
  isInternal(host: string): boolean;
}

/**
 * How long a registry that relies on beats may lack a live instance after a restart or lost beats: Nacos drops an
 * instance after 30 s without a beat (`ip-delete-timeout`), and it is back with its next one (5 s); plus a margin. In milliseconds.
 */
export const BEATS_HOLD_MS = 40_000;

/** State of a registry, for status and metrics. */
export interface RegistryState {
  /** Such as `nacos`; a third party's is the name of its package. */
  readonly kind: string;
  readonly server: string;
  readonly namespace: string;
  /** Such as `http` or `grpc`. */
  readonly transport: string;
  /** Its servers. Calls to them do not count as traffic. */
  readonly addresses: ReadonlyArray<{ readonly host: string; readonly port: number }>;
  readonly reachable: boolean;
}

/**
 * Finds instances: Nacos, Kubernetes, or another registry behind the same interface. The agent learns services from it at their
 * first call, and keeps observing them; the gateway and the commands use it, too.
 */
export interface Registry {
  /** Which hosts are services. Absent: the services of the lane groups, and of LANE_SERVICES. */
  readonly names?: ServiceNames | undefined;
  /** undefined: not used yet. */
  readonly state: RegistryState | undefined;
  /** Default group of services. */
  readonly defaultGroup: string;
  /**
   * How long a registry may take to relearn forgotten instances, in milliseconds, if beats or leases keep
   * them. Until then, instances that it drops in bulk stay in use. Absent or 0: it is believed at once.
   */
  readonly holdMs?: number | undefined;
  /**
   * Calls `listener` at each sign that the registry may not know all instances: false as it stops answering, true as it answers again, or
   * another of its servers does. Absent: there is no such sign.
   */
  watchTrouble?(listener: (isReachable: boolean) => void): Unsubscribe;
  /** Calls `listener` once a service is known, or known not to exist, then at each change. Survives outages. Lists are never changed afterwards. */
  observe(key: ServiceKey, listener: InstanceListener): Unsubscribe;

  /** All instances of a service, requested now. Rejects if the registry can't be reached. */
  list(key: ServiceKey): Promise<readonly Instance[]>;
  /** Names of all services of a group. Rejects if the registry can't be reached. */
  services(group?: string): Promise<readonly string[]>;
  close(): Promise<void>;
}

/** Arguments for a third party's registry. */
export interface RegistryOptions {
  readonly log: Log;
  /** Whether requests keep the process alive, as commands need. In an app, none do. */
  readonly holdProcess: boolean;
}

/** The export `createRegistry` of a third party's registry package, which LANE_REGISTRY names. */
export type CreateRegistry = (options: RegistryOptions) => Registry;

/** Creates a package's registry from its exports. Throws if there is no `createRegistry`, or it fails. */
export function registryFrom(exported: unknown, options: RegistryOptions): Registry {
  const { createRegistry } = (exported ?? {}) as { readonly createRegistry?: CreateRegistry };
  if (typeof createRegistry !== 'function') throw new TypeError('it exports no function createRegistry');
  return createRegistry(options);
}

/** Whether a setting names a third party's package: it needs a scope, because a single word is more likely a typo. */
export function isRegistryPackage(name: string): boolean {
  return /^@[a-z0-9][\w.-]*\/[a-z0-9][\w.-]*$/i.test(name);
}

/** A document kept beside the registry. */
export interface ConfigDocument {
  readonly content: string;
  /** For compare-and-set. */
  readonly md5: string;
}

/** Where documents such as the lane groups are kept. */
export interface ConfigStore {
  /** undefined: there is no such document. Rejects if the store can't be reached. */
  get(dataId: string, group: string): Promise<ConfigDocument | undefined>;
  /**
   * Writes a document. With `casMd5` only if the stored one still has that md5; else rejects with code `ELANE_CONFLICT`.
   */
  publish(dataId: string, group: string, content: string, options?: PublishOptions): Promise<void>;
  remove(dataId: string, group: string): Promise<void>;
  /** Calls `listener` with the document once it is known, then at each change; with undefined if it is absent or removed. Survives outages. */
  watch(dataId: string, group: string, listener: (document: ConfigDocument | undefined) => void): Unsubscribe;
}

/** How to write a document. */
export interface PublishOptions {
  /** Write only if the stored document still has this md5; empty: only if there is none. */
  readonly casMd5?: string | undefined;
  readonly type?: string | undefined;
  /** The author, for the history. A server with logins may record the user's name instead. */
  readonly by?: string | undefined;
}

/** A change of a document, from the store's own history. */
export interface ConfigChange {
  /** Grows with each change. */
  readonly id: string;
  readonly kind: 'created' | 'changed' | 'removed';
  /** ISO 8601. */
  readonly at: string | undefined;
  readonly by: string | undefined;
  /** The address it came from. */
  readonly from: string | undefined;
}

/** A page of a document's changes, latest first. */
export interface ConfigChangePage {
  /** How many there are in all. */
  readonly total: number;
  readonly changes: readonly ConfigChange[];
}

/** A store that may keep the history of its documents. Unsupported calls reject with `ELANE_UNSUPPORTED`. */
export interface VersionedConfigStore extends ConfigStore {
  /** Whether changes of documents are kept, and can be listed. */
  readonly keepsHistory: boolean;
  /** Whether the store itself compares `casMd5`, rather than the client just before it writes. */
  comparesBeforeWriting(): Promise<boolean>;
  /** Whether it also does so if no document may exist yet (`casMd5` empty). Default false. */
  readonly comparesCreation?: boolean;
  /**
   * The stored document, if `get` answers from a cache that may lag behind: to verify a write. Default: `get`.
   */
  getRecorded?(dataId: string, group: string): Promise<ConfigDocument | undefined>;
  /** The changes of a document, the latest first; pages count from 1. */
  history(dataId: string, group: string, page: { readonly page: number; readonly limit: number }): Promise<ConfigChangePage>;
  /** The content of a change: for `created` the written document, for others the one before. undefined: there is no such change. */
  contentOfChange(dataId: string, group: string, id: string): Promise<string | undefined>;
}

/** Ends a subscription; calling it twice does no harm. */
export type Unsubscribe = () => void;
