import type { Instance } from './instance.js';
import type { ServiceKey } from './service-tables.js';

/** Where instances are found: Nacos, or another registry behind the same interface. */
export interface Registry {
  /** Calls `listener` with all instances of a service, healthy or not: once they are known, then at each change. Outages are ridden out. */
  subscribe(key: ServiceKey, listener: (instances: readonly Instance[]) => void): Unsubscribe;
  /** All instances of a service, asked for now. Rejects where the registry can't be reached. */
  list(key: ServiceKey): Promise<readonly Instance[]>;
  /** Names of all services of a group. Rejects where the registry can't be reached. */
  services(group?: string): Promise<readonly string[]>;
  close(): Promise<void>;
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
  publish(dataId: string, group: string, content: string, options?: { casMd5?: string; type?: string }): Promise<void>;
  remove(dataId: string, group: string): Promise<void>;
  /** Calls `listener` with the document once it is known, then at each change; with undefined where it is absent or removed. Outages are ridden out. */
  watch(dataId: string, group: string, listener: (document: ConfigDocument | undefined) => void): Unsubscribe;
}

/** Ends a subscription; calling it twice does no harm. */
export type Unsubscribe = () => void;
