/** Nacos's configuration over gRPC: documents are asked of the server, again and again where they are watched. */
import { messageOf, type ConfigDocument, type PublishOptions, type Unsubscribe } from '@lane/core/model';
import { documentOf } from '../document.js';
import { NacosError } from '../nacos-error.js';
import { unsupported, type GrpcSession } from './grpc-session.js';

type Listener = (document: ConfigDocument | undefined) => void;

interface Watched {
  readonly dataId: string;
  readonly group: string;
  readonly listeners: Set<Listener>;
  known: boolean;
  document: ConfigDocument | undefined;
  asking: boolean;
}

const POLL_MS = 1_500;

/** The configuration side of a connection. Everything is called outside any lane. */
export class GrpcConfig {
  readonly #session: GrpcSession;
  readonly #watched = new Map<string, Watched>();
  #timer: NodeJS.Timeout | undefined;

  constructor(session: GrpcSession) {
    this.#session = session;
  }

  async get(dataId: string, group: string): Promise<ConfigDocument | undefined> {
    const config = await this.#session.config();
    return this.#session.call(`read the document ${dataId}`, async () => {
      try {
        return documentOf((await config.getConfigResp(dataId, group)).content);
      } catch (error) {
        if (/config not found|config data not exist/i.test(messageOf(error))) return undefined;
        throw error;
      }
    });
  }

  async publish(dataId: string, group: string, content: string, options: PublishOptions = {}): Promise<void> {
    if (options.casMd5 !== undefined) throw unsupported('compare a document before writing it (casMd5)');
    const config = await this.#session.config();
    const taken = await this.#session.call(`publish the document ${dataId}`, () => config.publishConfig(dataId, group, content));
    if (!taken) throw new NacosError('ELANE_NACOS_ANSWER', `Nacos did not take the document ${dataId}: check its log`);
  }

  async remove(dataId: string, group: string): Promise<void> {
    const config = await this.#session.config();
    await this.#session.call(`remove the document ${dataId}`, () => config.removeConfig(dataId, group));
  }

  watch(dataId: string, group: string, listener: Listener): Unsubscribe {
    const id = `${dataId}\n${group}`;
    // Its own function, so that one listener can watch twice.
    const own: Listener = (document) => listener(document);
    let watched = this.#watched.get(id);
    if (watched === undefined) {
      watched = { dataId, group, listeners: new Set(), known: false, document: undefined, asking: false };
      this.#watched.set(id, watched);
    }
    const document = watched;
    document.listeners.add(own);
    if (document.known) queueMicrotask(() => document.listeners.has(own) && this.#session.tell(own, document.document));
    else void this.#reread(document);
    this.#timer ??= setInterval(() => this.#rereadAll(), POLL_MS).unref();
    return () => {
      document.listeners.delete(own);
      if (document.listeners.size === 0 && this.#watched.get(id) === document) this.#watched.delete(id);
      if (this.#watched.size > 0) return;
      clearInterval(this.#timer);
      this.#timer = undefined;
    };
  }

  /** Asks again after an outage: what was asked during it may hang for a while yet. */
  recovered(): void {
    for (const document of this.#watched.values()) document.asking = false;
    this.#rereadAll();
  }

  close(): void {
    clearInterval(this.#timer);
    this.#watched.clear();
  }

  #rereadAll(): void {
    for (const document of this.#watched.values()) void this.#reread(document);
  }

  async #reread(watched: Watched): Promise<void> {
    if (watched.asking || this.#session.closed) return;
    watched.asking = true;
    try {
      const document = await this.get(watched.dataId, watched.group);
      if (watched.known && document?.md5 === watched.document?.md5) return;
      watched.known = true;
      watched.document = document;
      for (const listener of Array.from(watched.listeners)) this.#session.tell(listener, document);
    } catch (error) {
      this.#session.complain(error);
    } finally {
      watched.asking = false;
    }
  }
}
