import type { Instance } from './instance.js';
import type { ServiceKey } from './service-tables.js';

/** Remembers instances and documents from one run of a process to the next. */
export interface SnapshotStore {
  /** The instances of a service saved in the last seven days, by this process or an earlier one; undefined: none. */
  load(key: ServiceKey): Instance[] | undefined;
  /** Saves soon; only the last of several in quick succession. */
  save(key: ServiceKey, instances: readonly Instance[]): void;
  /** The text of a document saved in the last seven days; undefined: nothing, or the document was removed. */
  loadDocument(dataId: string): string | undefined;
  /** Saves a document's text soon; undefined: it was removed. */
  saveDocument(dataId: string, content: string | undefined): void;
  /** Resolves when everything saved so far is on disk, or has failed. */
  flush(): Promise<void>;
}
