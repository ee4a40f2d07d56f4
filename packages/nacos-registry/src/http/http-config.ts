/**
 * Nacos's configuration over the HTTP API v1. All watched documents share one long poll, which the server answers as soon as
 * one of them changes.
 */
import {
  type ConfigDocument,
  type Log,
  type Unsubscribe,
  messageOf,
  type ConfigChange,
  type ConfigChangePage,
  type PublishOptions,
  jsonNumber,
} from '@lane/core/model';
import { conflict, documentOf } from '../document.js';
import { expectSuccess } from './http-naming.js';
import { Complaints } from '../complaints.js';
import { NacosError } from '../nacos-error.js';
import { parseJson } from '../bounded-json.js';
import { isAbsentDocument, isUnknownApi, noNacos, type NacosAnswer, type NacosHttp } from './nacos-http.js';

/** Options of {@link HttpConfig}. */
export interface HttpConfigOptions {
  readonly http: NacosHttp;
  readonly namespace: string;
  readonly log: Log;
}

type Listener = (document: ConfigDocument | undefined) => void;

interface Watched {
  readonly dataId: string;
  readonly group: string;
  readonly listeners: Set<Listener>;
  /** false until the server has said what there is. */
  known: boolean;
  document: ConfigDocument | undefined;
}

const PATH = '/v1/cs/configs';
const HISTORY_PATH = '/v1/cs/history';
const STATE_PATH = '/v1/console/server/state';
const LONG_POLL_MS = 30_000;
/** The server answers shortly before the time is over; after this, no answer will come. */
const LONG_POLL_SLACK_MS = 10_000;
/** Short: a change right after Nacos comes back must be in force within two seconds. */
const RETRY_MS = 1_000;
const RETRY_JITTER_MS = 500;
/** What servers without a history, such as rnacos, answer. */
const NO_HISTORY: ReadonlySet<number> = new Set([404, 405, 410, 501]);
const FIELD = '\x02';
const LINE = '\x01';

function noHistory(label: string, status: number): NacosError {
  return new NacosError(
    'ELANE_UNSUPPORTED',
    `${label} keeps no history of its documents (it answered ${status}): keep versions of the lane groups elsewhere, such as in a repository`,
  );
}

/** Retries for a document whose file is being written, and the growth of their pauses: 2 s in total. */
const MAX_TRIES_WHILE_WRITTEN = 10;
const WRITTEN_MS = 45;

/** The configuration side of a connection. Everything is called outside any lane. */
export class HttpConfig {
  readonly #http: NacosHttp;
  readonly #tenant: string | undefined;
  readonly #log: Log;
  readonly #watched = new Map<string, Watched>();
  readonly #complaints: Complaints;
  #watching = false;
  #poll: AbortController | undefined;
  #wake: (() => void) | undefined;
  #closed = false;
  #compares: boolean | undefined;

  constructor(options: HttpConfigOptions) {
    this.#http = options.http;
    // For documents the public namespace is the one without a name.
    this.#tenant = options.namespace === 'public' ? undefined : options.namespace;
    this.#log = options.log;
    this.#complaints = new Complaints(options.log);
  }

  async get(dataId: string, group: string): Promise<ConfigDocument | undefined> {
    const ask = (): Promise<NacosAnswer> => this.#http.request({ method: 'GET', path: PATH, query: { dataId, group, tenant: this.#tenant } });
    let answer = await ask();
    // 409: the file is being written just now (ConfigServletInner.doGetConfig, `requested file is being modified`).
    for (let tries = 1; answer.status === 409 && tries < MAX_TRIES_WHILE_WRITTEN && !this.#closed; tries++) {
      await new Promise((resolve) => setTimeout(resolve, WRITTEN_MS * tries));
      answer = await ask();
    }
    if (isAbsentDocument(answer)) return undefined;
    if (answer.status === 404 && !isUnknownApi(answer)) throw noNacos(this.#http.label, answer);
    expectSuccess(answer, `read the document ${dataId}`);
    return documentOf(answer.body);
  }

  /** Reads the server's database (ConfigController.searchConfig): `get` reads a file, which on a busy server lags some seconds behind. */
  async getRecorded(dataId: string, group: string): Promise<ConfigDocument | undefined> {
    const query = { dataId, group, tenant: this.#tenant, search: 'accurate', pageNo: '1', pageSize: '1' };
    const answer = await this.#http.request({ method: 'GET', path: PATH, query });
    const { pageItems } = ((answer.status === 200 && parseJson(answer.body)) || {}) as { pageItems?: unknown };
    // Some servers lack this API, or deny it to this user.
    if (!Array.isArray(pageItems)) return this.get(dataId, group);
    const [found] = pageItems as Array<{ content?: unknown } | null>;
    return typeof found?.content === 'string' ? documentOf(found.content) : undefined;
  }

  async publish(dataId: string, group: string, content: string, options: PublishOptions = {}): Promise<void> {
    const { casMd5, type, by } = options;
    if (casMd5 !== undefined) {
      // Servers before 2.3 do not compare (tested: 2.2.4), so the client does, as well as it can.
      const stored = (await this.comparesBeforeWriting()) ? await this.get(dataId, group) : await this.getRecorded(dataId, group);
      if ((stored?.md5 ?? '') !== casMd5) throw conflict(dataId, group);
    }
    const cas = casMd5 === undefined || casMd5 === '' ? undefined : casMd5;
    const answer = await this.#http.request({
      method: 'POST',
      path: PATH,
      form: { dataId, group, tenant: this.#tenant, content, type, casMd5: cas, src_user: by },
      // Nacos 2.3 and later read it from a header.
      ...(cas === undefined ? {} : { headers: { casMd5: cas }, repeatable: false }),
    });
    if (cas !== undefined && isConflict(answer)) throw conflict(dataId, group);
    expectTrue(expectSuccess(answer, `publish the document ${dataId}`), dataId);
  }

  async comparesBeforeWriting(): Promise<boolean> {
    this.#compares ??= await this.#askWhetherItCompares();
    return this.#compares;
  }

  /** Nacos compares from 2.3 on, according to its sources (2.1.1 and 2.2.4, tried, do not), and so does the embedded one. */
  async #askWhetherItCompares(): Promise<boolean> {
    const { status, body } = await this.#http.request({ method: 'GET', path: STATE_PATH });
    const { version } = ((status === 200 && parseJson(body)) || {}) as { version?: unknown };
    if (version === 'embedded') return true;
    const [major = 0, minor = 0] = String(version).split('.').map(Number);
    return major > 2 || (major === 2 && minor >= 3);
  }

  async history(dataId: string, group: string, page: { readonly page: number; readonly limit: number }): Promise<ConfigChangePage> {
    const query = { dataId, group, tenant: this.#tenant, search: 'accurate', pageNo: String(page.page), pageSize: String(page.limit) };
    const answer = await this.#http.request({ method: 'GET', path: HISTORY_PATH, query });
    // Nacos returns an empty list if there are none.
    if (NO_HISTORY.has(answer.status)) throw noHistory(this.#http.label, answer.status);
    expectSuccess(answer, `list the changes of ${dataId}`);
    const { totalCount, pageItems } = (parseJson(answer.body) ?? {}) as { totalCount?: unknown; pageItems?: unknown };
    const items = Array.isArray(pageItems) ? (pageItems as WireChange[]) : [];
    return { total: jsonNumber(totalCount) || 0, changes: items.map(toChange) };
  }

  async contentOfChange(dataId: string, group: string, id: string): Promise<string | undefined> {
    const query = { dataId, group, tenant: this.#tenant, nid: id };
    const answer = await this.#http.request({ method: 'GET', path: HISTORY_PATH, query });
    if (answer.status === 404 && !isUnknownApi(answer)) return undefined;
    expectSuccess(answer, `read change ${id} of ${dataId}`);
    // Nacos answers an unknown id with an empty body.
    const { content } = (parseJson(answer.body) ?? {}) as { content?: unknown };
    return typeof content === 'string' ? content : undefined;
  }

  async remove(dataId: string, group: string): Promise<void> {
    const answer = await this.#http.request({ method: 'DELETE', path: PATH, query: { dataId, group, tenant: this.#tenant } });
    if (answer.status === 404 && !isUnknownApi(answer)) return;
    expectSuccess(answer, `remove the document ${dataId}`);
  }

  watch(dataId: string, group: string, listener: Listener): Unsubscribe {
    const id = `${dataId}${FIELD}${group}`;
    let watched = this.#watched.get(id);
    if (watched === undefined) {
      watched = { dataId, group, listeners: new Set(), known: false, document: undefined };
      this.#watched.set(id, watched);
      this.#restartPoll();
    } else if (watched.known) {
      queueMicrotask(() => {
        if (document.listeners.has(own)) this.#tell(own, document.document);
      });
    }
    const document = watched;
    const own: Listener = (content) => listener(content);
    document.listeners.add(own);
    return () => {
      document.listeners.delete(own);
      if (document.listeners.size > 0 || this.#watched.get(id) !== document) return;
      this.#watched.delete(id);
      this.#restartPoll();
    };
  }

  /** The server answers again: polls now rather than at the next turn. */
  recovered(): void {
    this.#wake?.();
  }

  close(): void {
    this.#closed = true;
    this.#watched.clear();
    this.#poll?.abort();
    this.#wake?.();
  }

  /** The set of documents has changed: the current poll no longer covers the right ones. */
  #restartPoll(): void {
    this.#poll?.abort();
    this.#wake?.();
    if (!this.#watching && this.#watched.size > 0) void this.#watchAll();
  }

  async #watchAll(): Promise<void> {
    this.#watching = true;
    while (!this.#closed && this.#watched.size > 0) {
      const poll = new AbortController();
      this.#poll = poll;
      try {
        const unknown = [...this.#watched.values()].filter((watched) => !watched.known);
        await Promise.all(unknown.map((watched) => this.#read(watched)));
        if (poll.signal.aborted) continue;
        const changed = await this.#awaitChange(poll.signal);
        const news = await Promise.all(changed.map((watched) => this.#read(watched)));
        // A server that reports nonexistent changes (such as one that lags behind another) must not make us spin.
        if (changed.length > 0 && !news.includes(true)) await this.#pause();
      } catch (error) {
        if (poll.signal.aborted) continue;
        this.#complain(error);
        await this.#pause();
      }
    }
    this.#watching = false;
  }

  /** Reads one document from the server; true if it has changed. */
  async #read(watched: Watched): Promise<boolean> {
    const document = await this.get(watched.dataId, watched.group);
    if (watched.known && document?.md5 === watched.document?.md5) return false;
    watched.known = true;
    watched.document = document;
    for (const listener of Array.from(watched.listeners)) this.#tell(listener, document);
    return true;
  }

  async #awaitChange(signal: AbortSignal): Promise<Watched[]> {
    const tenant = this.#tenant === undefined ? [] : [this.#tenant];
    const listening = [...this.#watched.values()].map(
      ({ dataId, group, document }) => [dataId, group, document?.md5 ?? '', ...tenant].join(FIELD) + LINE,
    );
    const answer = await this.#http.request({
      method: 'POST',
      path: `${PATH}/listener`,
      headers: { 'long-pulling-timeout': String(LONG_POLL_MS) },
      form: { 'Listening-Configs': listening.join('') },
      timeoutMs: LONG_POLL_MS + LONG_POLL_SLACK_MS,
      signal,
    });
    expectSuccess(answer, 'watch documents');
    if (answer.body.trim() === '') return [];
    const changed = decodeURIComponent(answer.body.trim())
      .split(LINE)
      .map((line) => line.split(FIELD).slice(0, 2).join(FIELD));
    return [...this.#watched].filter(([id]) => changed.includes(id)).map(([, watched]) => watched);
  }

  /** Waits for the next turn, for the server to answer again, or for other documents to watch. */
  #pause(): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(go, RETRY_MS + Math.random() * RETRY_JITTER_MS);
      timer.unref();
      function go(): void {
        clearTimeout(timer);
        resolve();
      }
      this.#wake = go;
    });
  }

  #tell(listener: Listener, document: ConfigDocument | undefined): void {
    try {
      listener(document);
    } catch (error) {
      this.#log.error('a listener for a document failed', { error: messageOf(error) });
    }
  }

  #complain(error: unknown): void {
    if (!this.#closed) this.#complaints.say(error);
  }
}

/** A change in the server's history. */
interface WireChange {
  readonly id: string | number;
  readonly opType?: string | null;
  readonly srcUser?: string | null;
  readonly srcIp?: string | null;
  /** When it was; `createdTime` is a constant of the year 2010 on real servers. */
  readonly lastModifiedTime?: string | number | null;
}

function toChange({ id, opType, srcUser, srcIp, lastModifiedTime }: WireChange): ConfigChange {
  const at = new Date(lastModifiedTime ?? NaN);
  return {
    id: String(id),
    // Padded to ten characters.
    kind: KINDS[String(opType ?? '').trim()] ?? 'changed',
    at: Number.isNaN(at.getTime()) ? undefined : at.toISOString(),
    by: srcUser === '' || srcUser === null ? undefined : srcUser,
    from: srcIp === '' || srcIp === null ? undefined : srcIp,
  };
}

const KINDS: Readonly<Record<string, ConfigChange['kind']>> = { I: 'created', U: 'changed', D: 'removed' };

/** Newer servers answer 409, or 500 with a text, to a comparison that fails; others say false. */
function isConflict(answer: NacosAnswer): boolean {
  if (answer.status === 409) return true;
  return answer.status === 500 ? /cas|conflict|md5/i.test(answer.body) : answer.status === 200 && isFalse(answer.body);
}

function isFalse(body: string): boolean {
  return body.trim() === 'false';
}

function expectTrue(answer: NacosAnswer, dataId: string): void {
  if (isFalse(answer.body))
    throw new NacosError('ELANE_NACOS_ANSWER', `Nacos did not store the document ${dataId} (${answer.excerpt()}): check its log`);
}
