/** What one client may take: connections, and on each connection of HTTP/2 streams, resets and control frames. */
import http2, { type ServerHttp2Session } from 'node:http2';
import type { Socket } from 'node:net';
import type { Log } from '@lane/core/model';

/** Streams at a time on one connection (RFC 9113, 6.5.2, recommends 100 or more). */
export const MAX_STREAMS = 128;
/** Bytes of a head of HTTP/2, as the RFC counts them: instances commonly take 16 KiB over HTTP/1. */
export const MAX_HEADER_LIST_BYTES = 32 * 1024;

/** So many at once, and so many a second. */
const RESETS = { burst: 200, perSecond: 20 };
const CONTROL_FRAMES = { burst: 200, perSecond: 20 };

/** Something that may happen in bursts, but not for long. */
class Allowance {
  #left: number;
  #at = performance.now();

  constructor(readonly rate: { readonly burst: number; readonly perSecond: number }) {
    this.#left = rate.burst;
  }

  /** Takes one; false where none is left. */
  take(): boolean {
    const now = performance.now();
    const { burst, perSecond } = this.rate;
    this.#left = Math.min(burst, this.#left + ((now - this.#at) / 1_000) * perSecond) - 1;
    this.#at = now;
    return this.#left >= 0;
  }
}

/** Ends sessions whose streams are reset again and again (CVE-2023-44487, CVE-2025-8671), or that send PING or SETTINGS without end (CVE-2019-9512, -9515). */
export function limitSession(session: ServerHttp2Session): void {
  const resets = new Allowance(RESETS);
  const control = new Allowance(CONTROL_FRAMES);
  const { NGHTTP2_ENHANCE_YOUR_CALM, NGHTTP2_NO_ERROR, NGHTTP2_INTERNAL_ERROR } = http2.constants;
  const calm = (): void => {
    // A code alone: beside `undefined` Node takes it for no error.
    if (!session.destroyed) session.destroy(NGHTTP2_ENHANCE_YOUR_CALM as unknown as Error);
  };
  session.on('stream', (stream) => {
    stream.once('close', () => {
      const { rstCode } = stream;
      // Ours, where an instance failed.
      if (rstCode === NGHTTP2_NO_ERROR || rstCode === NGHTTP2_INTERNAL_ERROR) return;
      if (!resets.take()) calm();
    });
  });
  const countControl = (): void => {
    if (!control.take()) calm();
  };
  session.on('ping', countControl);
  session.on('remoteSettings', countControl);
}

/** Counts connections by client; those that are `exempt` may have as many as they like. */
export class ConnectionLimit {
  readonly #open = new Map<string, number>();
  readonly #told = new Set<string>();

  constructor(
    readonly limit: number,
    readonly isExempt: (address: string | undefined) => boolean,
    readonly log: Log,
  ) {}

  /** Whether a connection may stay. */
  enter(socket: Socket): boolean {
    const address = socket.remoteAddress;
    if (address === undefined || this.isExempt(address)) return true;
    const count = this.#open.get(address) ?? 0;
    if (count >= this.limit) {
      if (!this.#told.has(address) && this.#told.size < 1_000) {
        this.#told.add(address);
        this.log.warn(`${address} has ${this.limit} connections open: further ones are closed; if it stands for many clients, name it in trust`);
      }
      return false;
    }
    this.#open.set(address, count + 1);
    socket.once('close', () => {
      const left = (this.#open.get(address) ?? 1) - 1;
      if (left > 0) this.#open.set(address, left);
      else {
        this.#open.delete(address);
        this.#told.delete(address);
      }
    });
    return true;
  }
}
