/** Clients that wait for documents to change (long polling). */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { idOf, type ConfigId } from '../config-store.js';
import { send } from './send.js';

const MIN_TIMEOUT_MS = 10_000;
const DEFAULT_TIMEOUT_MS = 30_000;
/** The server answers shortly before the client would give up. */
const TIMEOUT_MARGIN_MS = 500;
/** Far above what clients ask for, and far below what a timer can hold. */
const MAX_TIMEOUT_MS = 600_000;
/** For all waiting clients together. Beyond it, the client that has waited longest is told that nothing changed, and asks again. */
const MAX_DOCUMENTS = 100_000;

interface Waiter {
  /** Documents by identity, each as the client wrote it. */
  readonly documents: ReadonlyMap<string, string>;
  readonly answer: (changed: string) => void;
}

/** The waiting clients. `timeoutMs`: how long they wait, in milliseconds; undefined: as long as each asks. */
export class ConfigWaiters {
  readonly #timeoutMs: number | undefined;
  /** Longest waiting first. */
  readonly #waiting = new Set<Waiter>();
  #documents = 0;

  constructor(timeoutMs: number | undefined) {
    this.#timeoutMs = timeoutMs;
  }

  /** Answers as soon as one of these documents (by identity, each as the client wrote it) changes, or with nothing on timeout. */
  add(request: IncomingMessage, response: ServerResponse, documents: ReadonlyMap<string, string>): void {
    const waiter: Waiter = {
      documents,
      answer: (changed) => {
        this.#remove(waiter);
        clearTimeout(timer);
        if (!response.writableEnded && !response.destroyed) sendChanged(response, changed);
      },
    };
    const timer = setTimeout(() => waiter.answer(''), this.#timeoutMs ?? timeoutMsOf(request));
    timer.unref();
    this.#waiting.add(waiter);
    this.#documents += documents.size;
    response.on('close', () => {
      this.#remove(waiter);
      clearTimeout(timer);
    });
    for (const longest of this.#waiting) {
      if (this.#documents <= MAX_DOCUMENTS) break;
      longest.answer('');
    }
  }

  #remove(waiter: Waiter): void {
    if (this.#waiting.delete(waiter)) this.#documents -= waiter.documents.size;
  }

  /** Notifies the clients that wait for a document. */
  changed(key: ConfigId): void {
    const id = idOf(key);
    for (const waiter of [...this.#waiting]) {
      const echoed = waiter.documents.get(id);
      if (echoed !== undefined) waiter.answer(echoed);
    }
  }

  /** Answers all waiting clients. */
  close(): void {
    for (const waiter of [...this.#waiting]) waiter.answer('');
  }
}

/** Answers with the documents that changed; empty: none. */
export function sendChanged(response: ServerResponse, changed: string): void {
  send(response, 200, changed === '' ? '' : `${encodeURIComponent(changed)}\n`, 'application/json');
}

function timeoutMsOf({ headers }: IncomingMessage): number {
  const asked = Number(headers['long-pulling-timeout'] ?? DEFAULT_TIMEOUT_MS);
  const timeoutMs = (Number.isFinite(asked) ? asked : DEFAULT_TIMEOUT_MS) - TIMEOUT_MARGIN_MS;
  return Math.min(MAX_TIMEOUT_MS, Math.max(MIN_TIMEOUT_MS, timeoutMs));
}
