import type { Log } from '../log.js';
import type { Instance } from './instance.js';
import type { ServiceKey } from './service-tables.js';

/** Told all instances of a service, healthy or not; undefined: there is no such service, and what is called so is somebody else. */
export type InstanceListener = (instances: readonly Instance[] | undefined) => void;

/** Which hosts are services. Asked on the request path: a look-up, without waiting. */
export interface ServiceNames {
  /** Whether no host can be a service, so that none need be asked about. */
  readonly isEmpty: boolean;
  /**
   * The service that is called by this host and port; undefined: the host is not ours. `isCall` false: it may be no call to a service at all, and
   * nobody is to be told that it is left alone.
   */
  find(host: string, port: number, isCall?: boolean): ServiceKey | undefined;
  /**
   * As long as not all names are known: settles when it is known whether this host is a service, or can't be. Never rejects. undefined: it is known,
   * or the host can be none. Absent: all names are known from the start.
   */
  pending?(host: string): Promise<void> | undefined;
  /** Whether a host belongs to the call chain, and may have the tag, by its name alone. */
  isInternal(host: string): boolean;
}

/**
 * So long a registry that keeps instances by beats may be without one that lives, after it has restarted or lost beats: Nacos counts an
 * instance as lost after 30 s without a beat (`ip-delete-timeout`), and it is back with its next one (5 s); and a margin. In milliseconds.
 */
export const BEATS_HOLD_MS = 40_000;

/** How a registry does, for status and figures. */
export interface RegistryState {
  /** Such as `nacos`; a third party's is the name of its package. */
  readonly kind: string;
  readonly server: string;
  readonly namespace: string;
  /** Such as `http` or `grpc`. */
  readonly transport: string;
  /** Its servers. Calls to them are nobody's traffic. */
  readonly addresses: ReadonlyArray<{ readonly host: string; readonly port: number }>;
  readonly reachable: boolean;
}

/**
 * Where instances are found: Nacos, Kubernetes, or another registry behind the same interface. The agent learns services from it at their
 * first call, and keeps observing them; the gateway and the commands use it, too.
 */
export interface Registry {
  /** Which hosts are services. Absent: the services of the lane groups, and of LANE_SERVICES. */
  readonly names?: ServiceNames | undefined;
  /** undefined: it has not been asked for anything yet. */
  readonly state: RegistryState | undefined;
  /** Group of services where none is named. */
  readonly defaultGroup: string;
  /**
   * So long it may take until a registry that has forgotten its instances knows them again, in milliseconds: where beats or leases keep
   * them. Until then what it takes away in bulk stays in use. Absent or 0: what it says is so.
   */
  readonly holdMs?: number | undefined;
  /**
   * Calls `listener` at each sign that the registry may not know everybody: false as it stops answering, true as it answers again, or
   * another of its servers does. Absent: there is no such sign.
   */
  watchTrouble?(listener: (isReachable: boolean) => void): Unsubscribe;
  /** Calls `listener` once a service is known, or known not to be there, then at each change. Outages are ridden out. Lists are given away: nobody changes them any more. */
  observe(key: ServiceKey, listener: InstanceListener): Unsubscribe;

  /** All instances of a service, asked for now. Rejects where the registry can't be reached. */
  list(key: ServiceKey): Promise<readonly Instance[]>;
  /** Names of all services of a group. Rejects where the registry can't be reached. */
  services(group?: string): Promise<readonly string[]>;
  close(): Promise<void>;
}

/** What a registry of a third party is made with. */
export interface RegistryOptions {
  readonly log: Log;
  /** Whether what is asked for keeps the process alive, as a command needs it. Inside somebody's app nothing does. */
  readonly holdProcess: boolean;
}

/** What the package of a third party's registry exports as `createRegistry`. It is named by LANE_REGISTRY. */
export type CreateRegistry = (options: RegistryOptions) => Registry;

/** Makes the registry of a package, given what it exports. Throws where that is none, or the package can't make it. */
export function registryFrom(exported: unknown, options: RegistryOptions): Registry {
  const { createRegistry } = (exported ?? {}) as { readonly createRegistry?: CreateRegistry };
  if (typeof createRegistry !== 'function') throw new TypeError('it exports no function createRegistry');
  return createRegistry(options);
}

/** Whether a setting names the package of a third party's registry: with a scope, as a word alone is more likely a mistyped one. */
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
  /** undefined: there is no such document. Rejects where the store can't be reached. */
  get(dataId: string, group: string): Promise<ConfigDocument | undefined>;
  /**
   * Writes a document. With `casMd5` only if the stored one still has that md5; else rejects with code `ELANE_CONFLICT`.
   */
  publish(dataId: string, group: string, content: string, options?: PublishOptions): Promise<void>;
  remove(dataId: string, group: string): Promise<void>;
  /** Calls `listener` with the document once it is known, then at each change; with undefined where it is absent or removed. Outages are ridden out. */
  watch(dataId: string, group: string, listener: (document: ConfigDocument | undefined) => void): Unsubscribe;
}

/** How to write a document. */
export interface PublishOptions {
  /** Write only if the stored document still has this md5; empty: only if there is none. */
  readonly casMd5?: string | undefined;
  readonly type?: string | undefined;
  /** Who writes, for the history. A server that asks for a log-in may put the user's name there instead. */
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

/** Some changes of a document, the latest first. */
export interface ConfigChangePage {
  /** How many there are in all. */
  readonly total: number;
  readonly changes: readonly ConfigChange[];
}

/** A store that may keep the history of its documents. What it can't do rejects with `ELANE_UNSUPPORTED`. */
export interface VersionedConfigStore extends ConfigStore {
  /** Whether changes of documents are kept, and can be listed. */
  readonly keepsHistory: boolean;
  /** Whether the store itself compares where `casMd5` is given, rather than this side just before it writes. */
  comparesBeforeWriting(): Promise<boolean>;
  /** Whether it does so where there is to be no document yet, too (`casMd5` empty). Default false. */
  readonly comparesCreation?: boolean;
  /**
   * What is recorded of a document, where `get` answers from a cache that may lag behind: for a look at what a write has come to. Default: as `get`.
   */
  getRecorded?(dataId: string, group: string): Promise<ConfigDocument | undefined>;
  /** The changes of a document, the latest first; pages count from 1. */
  history(dataId: string, group: string, page: { readonly page: number; readonly limit: number }): Promise<ConfigChangePage>;
  /** What is kept with a change: of `created` what was written, of the others what there was before. undefined: there is no such change. */
  contentOfChange(dataId: string, group: string, id: string): Promise<string | undefined>;
}

/** Ends a subscription; calling it twice does no harm. */
export type Unsubscribe = () => void;
