/** Requests that are repeated until they succeed: each new connection needs them. */
import type { GrpcSession } from './grpc-session.js';

/** On a new connection everything is asked for at once. */
const MAX_AT_ONCE = 10;
const FIRST_RETRY_MS = 1_000;
const MAX_RETRY_MS = 10_000;

/** Named work for the connection. Its timer keeps no process alive. */
export class Redo {
  readonly #session: GrpcSession;
  readonly #waiting = new Map<string, () => Promise<void> | undefined>();
  readonly #running = new Set<string>();
  #timer: NodeJS.Timeout | undefined;
  #failures = 0;
  #closed = false;

  constructor(session: GrpcSession) {
    this.#session = session;
  }

  /** Does something soon, and retries until it succeeds. Replaces work of the same name that has not started. */
  do(name: string, work: () => Promise<void> | undefined): void {
    this.#waiting.set(name, work);
    this.#failures = 0;
    this.#turn();
  }

  close(): void {
    this.#closed = true;
    clearTimeout(this.#timer);
    this.#waiting.clear();
  }

  #turn(): void {
    for (const [name, work] of this.#waiting) {
      if (this.#closed || this.#running.size >= MAX_AT_ONCE) return;
      if (this.#running.has(name)) continue;
      this.#waiting.delete(name);
      this.#running.add(name);
      void this.#run(name, work);
    }
  }

  async #run(name: string, work: () => Promise<void> | undefined): Promise<void> {
    try {
      await work();
      this.#failures = 0;
      this.#running.delete(name);
      this.#turn();
    } catch (error) {
      this.#session.complain(error);
      this.#running.delete(name);
      if (!this.#waiting.has(name)) this.#waiting.set(name, work);
      if (!this.#closed) this.#timer ??= setTimeout(() => this.#again(), Math.min(FIRST_RETRY_MS * 2 ** this.#failures++, MAX_RETRY_MS)).unref();
    }
  }

  #again(): void {
    this.#timer = undefined;
    this.#turn();
  }
}
