/**
 * Nacos's configuration over gRPC: we tell the server which documents we watch; it pushes that one has changed, and we read it.
 * Over gRPC all versions of Nacos compare before they write (`casMd5`; over HTTP from 2.3 on). The history is available only over HTTP.
 */
import { type ConfigDocument, type PublishOptions, type Unsubscribe } from '@lane/core/model';
import { conflict, documentOf } from '../document.js';
import { NacosError } from '../nacos-error.js';
import type { Dependant, GrpcCall, GrpcSession } from './grpc-session.js';
import { Redo } from './redo.js';
import type { Message } from './server-link.js';

type Listener = (document: ConfigDocument | undefined) => void;

interface Watched {
  readonly dataId: string;
  readonly group: string;
  readonly listeners: Set<Listener>;
  /** false until the server has said what there is. */
  known: boolean;
  document: ConfigDocument | undefined;
}

/** `ConfigQueryResponse`: no such document; and one that is being written. */
const NOT_FOUND = 300;
const BEING_WRITTEN = 400;
/** `ResponseCode.FAIL`, also for a failed comparison. */
const FAILED = 500;
/**
 * The value to compare with if no document may exist: an MD5 that no content has. Nacos compares only with a non-empty value, and only if there
 * is a document; otherwise it adds one (`insertOrUpdateCas`).
 */
const MD5_OF_NONE = '0'.repeat(32);
/** Seen: 100 ms with Nacos 2.2.4. */
const CACHE_LAG_MS = 3_000;
const CACHE_POLL_MS = 20;
const BEING_WRITTEN_PAUSE_MS = 50;
const BEING_WRITTEN_ATTEMPTS = 20;
/** The Java client asks again from time to time, too (`ClientWorker`, every 5 minutes): a push could be lost. */
const SYNC_MS = 60_000;

/** The configuration side of a connection. Everything is called outside any lane. */
export class GrpcConfig implements Dependant {
  readonly #session: GrpcSession;
  readonly #redo: Redo;
  /** For documents the public namespace is the one without a name. */
  readonly #tenant: string;
  readonly #watched = new Map<string, Watched>();
  #sync: NodeJS.Timeout | undefined;

  constructor(session: GrpcSession) {
    this.#session = session;
    this.#redo = new Redo(session);
    this.#tenant = session.namespace === 'public' ? '' : session.namespace;
    session.add(this);
  }

  get isWaiting(): boolean {
    return this.#watched.size > 0;
  }

  connected(): void {
    for (const watched of this.#watched.values()) this.#listenTo(watched);
  }

  pushed({ type, fields }: Message): void {
    const { dataId, group } = fields;
    if (type !== 'ConfigChangeNotifyRequest' || typeof dataId !== 'string' || typeof group !== 'string') return;
    const watched = this.#watched.get(idOf(dataId, group));
    if (watched !== undefined) this.#redo.do(`read ${idOf(watched.dataId, watched.group)}`, () => this.#read(watched));
  }

  async get(dataId: string, group: string): Promise<ConfigDocument | undefined> {
    for (let attempt = 1; ; attempt++) {
      const answer = await this.#session.request({
        doing: `read the document ${dataId}`,
        type: 'ConfigQueryRequest',
        fields: { dataId, group, tenant: this.#tenant },
        // Only for this request: elsewhere 300 means that the server is starting.
        accepts: attempt < BEING_WRITTEN_ATTEMPTS ? [NOT_FOUND, BEING_WRITTEN] : [NOT_FOUND],
      });
      if (answer['resultCode'] === 200) {
        const { content } = answer;
        if (typeof content === 'string') return documentOf(content);
        throw new NacosError('ELANE_NACOS_ANSWER', `Nacos answered without the content of document ${dataId}`);
      }
      if (answer['errorCode'] === NOT_FOUND) return undefined;
      await pause(BEING_WRITTEN_PAUSE_MS);
    }
  }

  async publish(dataId: string, group: string, content: string, options: PublishOptions = {}): Promise<void> {
    const { casMd5, type, by } = options;
    const doing = `publish the document ${dataId}`;
    const answer = await this.#session.request({
      doing,
      type: 'ConfigPublishRequest',
      fields: {
        ...{ dataId, group, tenant: this.#tenant, content },
        ...(casMd5 === undefined ? {} : { casMd5: casMd5 === '' ? MD5_OF_NONE : casMd5 }),
        additionMap: { ...(type === undefined ? {} : { type }), ...(by === undefined ? {} : { src_user: by }) },
      },
      accepts: [FAILED],
      // A repeated write would find its own first result, and report a conflict.
      repeatable: casMd5 === undefined,
    });
    if (answer['resultCode'] !== 200) {
      const { message } = answer;
      if (casMd5 !== undefined && typeof message === 'string' && /cas publish .*fail/i.test(message)) throw conflict(dataId, group);
      throw this.#session.refusedTo(doing, answer);
    }
    if (casMd5 !== undefined && (await this.#isRefused(dataId, group, documentOf(content).md5, casMd5))) throw conflict(dataId, group);
  }

  /**
   * Whether the server reported success although it kept another document than the one to be replaced: Nacos 2.1.1 with its embedded database
   * refuses to overwrite another document, yet reports success (`BaseDatabaseOperate.update` ignores the row count; 2.2.4 checks it).
   * Its cache lags behind the database; until it catches up, the outcome is unknown.
   */
  async #isRefused(dataId: string, group: string, md5: string, replaced: string): Promise<boolean> {
    const deadline = performance.now() + CACHE_LAG_MS;
    for (;;) {
      const stored = (await this.get(dataId, group))?.md5 ?? '';
      if (stored === md5) return false;
      if (stored !== replaced) return true;
      if (performance.now() > deadline) return false;
      await pause(CACHE_POLL_MS);
    }
  }

  async remove(dataId: string, group: string): Promise<void> {
    await this.#session.request({
      doing: `remove the document ${dataId}`,
      type: 'ConfigRemoveRequest',
      fields: { dataId, group, tenant: this.#tenant },
    });
  }

  watch(dataId: string, group: string, listener: Listener): Unsubscribe {
    const id = idOf(dataId, group);
    // A separate function, so that one listener can watch twice.
    const own: Listener = (document) => listener(document);
    let watched = this.#watched.get(id);
    if (watched === undefined) {
      watched = { dataId, group, listeners: new Set(), known: false, document: undefined };
      this.#watched.set(id, watched);
      this.#listenTo(watched);
    } else if (watched.known) {
      queueMicrotask(() => document.listeners.has(own) && this.#session.tell(own, document.document));
    }
    const document = watched;
    document.listeners.add(own);
    this.#sync ??= setInterval(() => this.#session.isConnected && this.connected(), SYNC_MS).unref();
    return () => {
      document.listeners.delete(own);
      if (document.listeners.size > 0 || this.#watched.get(id) !== document) return;
      this.#watched.delete(id);
      this.#leave(document);
      if (this.#watched.size > 0) return;
      clearInterval(this.#sync);
      this.#sync = undefined;
    };
  }

  close(): void {
    clearInterval(this.#sync);
    this.#watched.clear();
    this.#redo.close();
  }

  /** Listens first and then reads, so that it misses no change in between. */
  #listenTo(watched: Watched): void {
    const id = idOf(watched.dataId, watched.group);
    this.#redo.do(`listen ${id}`, async () => {
      if (this.#watched.get(id) !== watched) return;
      await this.#session.request(this.#listening(watched, true));
      this.#redo.do(`read ${id}`, () => this.#read(watched));
    });
  }

  /** Under the same name as listening, because requests overtake each other. */
  #leave(watched: Watched): void {
    const id = idOf(watched.dataId, watched.group);
    this.#redo.do(`listen ${id}`, async () => {
      if (this.#watched.has(id) || !this.#session.isConnected) return;
      await this.#session.request(this.#listening(watched, false)).catch(() => {});
    });
  }

  #listening({ dataId, group, document }: Watched, listen: boolean): GrpcCall {
    return {
      doing: `watch the document ${dataId}`,
      type: 'ConfigBatchListenRequest',
      fields: { listen, configListenContexts: [{ dataId, group, tenant: this.#tenant, md5: document?.md5 ?? '' }] },
    };
  }

  async #read(watched: Watched): Promise<void> {
    const { dataId, group } = watched;
    if (this.#watched.get(idOf(dataId, group)) !== watched) return;
    const document = await this.get(dataId, group);
    if (watched.known && document?.md5 === watched.document?.md5) return;
    watched.known = true;
    watched.document = document;
    for (const listener of Array.from(watched.listeners)) this.#session.tell(listener, document);
  }
}

function pause(durationMs: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, durationMs));
}

function idOf(dataId: string, group: string): string {
  return `${dataId}\n${group}`;
}
