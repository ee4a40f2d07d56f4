/** The config API's state: documents, their listeners, their history. In memory only. */
import { createHash } from 'node:crypto';
import { Room } from './room.js';

/** A document of a namespace (tenant). */
export interface ConfigId {
  readonly tenant: string;
  readonly group: string;
  readonly dataId: string;
}

/** A stored document. */
export interface StoredConfig {
  readonly id: string;
  readonly key: ConfigId;
  readonly content: string;
  readonly md5: string;
  readonly type: string;
  readonly appName: string;
  /** Milliseconds since 1970. */
  readonly modifiedAt: number;
}

/** A change. As in Nacos, an update or a removal records the previous content, an insertion the new one. */
export interface HistoryItem {
  readonly nid: string;
  readonly key: ConfigId;
  readonly content: string;
  readonly md5: string;
  readonly appName: string;
  readonly type: string;
  /** Padded to ten characters, as the real server's column is. */
  readonly opType: string;
  readonly srcIp: string;
  readonly srcUser: string;
  readonly at: Date;
}

const MAX_HISTORY = 1_000;
/** Limits the history: large documents that change often must not fill the memory. */
const MAX_HISTORY_CHARACTERS = 32 * 1024 * 1024;

/** For all documents, in characters: about 500 documents of 256 KB, Nacos' maximum. */
const MAX_CHARACTERS = 128 * 1024 * 1024;

/** Documents and their history. `changed` is called for each document whose content changed. */
export class ConfigStore {
  readonly #configs = new Map<string, StoredConfig>();
  readonly #room = new Room(MAX_CHARACTERS, 'documents');
  readonly #history: HistoryItem[] = [];
  readonly #changed: (key: ConfigId) => void;
  #nextId = 1;
  #historyCharacters = 0;

  constructor(changed: (key: ConfigId) => void) {
    this.#changed = changed;
  }

  get(key: ConfigId): StoredConfig | undefined {
    return this.#configs.get(idOf(key));
  }

  /** Writes a document. Throws if there is no room for it; returns false if `casMd5` is given and the document has another MD5. */
  publish(
    key: ConfigId,
    content: string,
    options: { type: string; appName: string; casMd5: string | undefined; srcIp: string; srcUser: string },
  ): boolean {
    const before = this.get(key);
    if (options.casMd5 !== undefined && options.casMd5 !== (before?.md5 ?? '')) return false;
    const { type, appName, srcIp, srcUser } = options;
    this.#room.take(idOf(key), content.length + type.length + appName.length);
    const config: StoredConfig = {
      id: before?.id ?? String(this.#nextId++),
      key,
      content,
      md5: md5Of(content),
      type,
      appName,
      modifiedAt: Date.now(),
    };
    this.#configs.set(idOf(key), config);
    this.#remember(before ?? config, before === undefined ? 'I' : 'U', srcIp, srcUser);
    // Publishing the same content again is recorded in the history, but does not notify waiting clients.
    if (before?.md5 !== config.md5) this.#changed(key);
    return true;
  }

  remove(key: ConfigId, srcIp: string, srcUser: string): void {
    const before = this.get(key);
    if (before === undefined) return;
    this.#configs.delete(idOf(key));
    this.#room.give(idOf(key));
    this.#remember(before, 'D', srcIp, srcUser);
    this.#changed(key);
  }

  /** Documents of a tenant; with `blur`, `*` matches anything and an empty name matches all. */
  search(tenant: string, dataId: string, group: string, blur: boolean): StoredConfig[] {
    const accepts = (wanted: string): ((value: string) => boolean) => {
      if (wanted === '') return () => true;
      if (!blur || !wanted.includes('*')) return (value) => value === wanted;
      const parts = wanted.split('*');
      return (value) => matchesParts(value, parts);
    };
    const dataIdFits = accepts(dataId);
    const groupFits = accepts(group);
    return [...this.#configs.values()].filter(({ key }) => key.tenant === tenant && dataIdFits(key.dataId) && groupFits(key.group));
  }

  /** Changes of a document, latest first. */
  history(key: ConfigId): HistoryItem[] {
    const id = idOf(key);
    return this.#history.filter((item) => idOf(item.key) === id).reverse();
  }

  historyItem(nid: string): HistoryItem | undefined {
    return this.#history.find((item) => item.nid === nid);
  }

  #remember(config: StoredConfig, opType: 'I' | 'U' | 'D', srcIp: string, srcUser: string): void {
    const { key, content, md5, appName, type } = config;
    this.#history.push({ nid: String(this.#nextId++), key, content, md5, appName, type, opType: opType.padEnd(10), srcIp, srcUser, at: new Date() });
    this.#historyCharacters += content.length;
    while (this.#history.length > MAX_HISTORY || (this.#historyCharacters > MAX_HISTORY_CHARACTERS && this.#history.length > 1)) {
      this.#historyCharacters -= this.#history.shift()?.content.length ?? 0;
    }
  }
}

/** Whether a text has these parts in this order, the first at its start and the last at its end. Linear time per part. */
function matchesParts(value: string, parts: readonly string[]): boolean {
  const first = parts[0] as string;
  const last = parts.at(-1) as string;
  if (value.length < first.length + last.length || !value.startsWith(first) || !value.endsWith(last)) return false;
  let at = first.length;
  const end = value.length - last.length;
  for (const part of parts.slice(1, -1)) {
    const found = value.indexOf(part, at);
    if (found === -1 || found + part.length > end) return false;
    at = found + part.length;
  }
  return true;
}

/** The identity of a document as a string. */
export function idOf({ tenant, group, dataId }: ConfigId): string {
  return `${tenant}\x02${group}\x02${dataId}`;
}

/** The MD5 by which clients compare. */
export function md5Of(content: string): string {
  return createHash('md5').update(content).digest('hex');
}
