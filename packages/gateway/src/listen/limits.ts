/** Limits per client: connections, and on each HTTP/2 connection streams, resets and control frames. */
import http2, { type Http2ServerResponse, type ServerHttp2Session } from 'node:http2';
import type { Socket } from 'node:net';
import type { Log } from '@lane/core/model';

/** Streams at a time on one connection (RFC 9113, 6.5.2, recommends 100 or more). */
export const MAX_STREAMS = 128;
/** Bytes of an HTTP/2 head, counted as in the RFC: instances commonly accept 16 KiB over HTTP/1. */
export const MAX_HEADER_LIST_BYTES = 32 * 1024;

/** A burst, and a rate per second. */
const RESETS = { burst: 200, perSecond: 20 };
const CONTROL_FRAMES = { burst: 200, perSecond: 20 };

/** A token bucket. */
class Allowance {
  #left: number;
  #at = performance.now();

  constructor(readonly rate: { readonly burst: number; readonly perSecond: number }) {
    this.#left = rate.burst;
  }

  /** Takes one; false if none is left. */
  take(): boolean {
    const now = performance.now();
    const { burst, perSecond } = this.rate;
    this.#left = Math.min(burst, this.#left + ((now - this.#at) / 1_000) * perSecond) - 1;
    this.#at = now;
    return this.#left >= 0;
  }
}

/** Ends sessions that keep resetting streams (CVE-2023-44487, CVE-2025-8671), or send endless PING or SETTINGS (CVE-2019-9512, -9515). */
export function limitSession(session: ServerHttp2Session): void {
  const resets = new Allowance(RESETS);
  const control = new Allowance(CONTROL_FRAMES);
  const { NGHTTP2_ENHANCE_YOUR_CALM, NGHTTP2_NO_ERROR, NGHTTP2_INTERNAL_ERROR } = http2.constants;
  const calm = (): void => {
    // Only a code: with `undefined`, Node sees no error.
    if (!session.destroyed) session.destroy(NGHTTP2_ENHANCE_YOUR_CALM as unknown as Error);
  };
  session.on('stream', (stream) => {
    stream.once('close', () => {
      const { rstCode } = stream;
      // Ours, because an instance failed.
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

/** Counts connections by client, and with them the requests of HTTP/2; `exempt` ones have no limit. */
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
    return address === undefined || this.isExempt(address) || this.#take(address, socket);
  }

  /** Whether a request of HTTP/2 may be served: it counts as a connection, because it takes one to an instance. */
  enterStream({ peer, trusted }: { readonly peer: string | undefined; readonly trusted: boolean }, response: Http2ServerResponse): boolean {
    return peer === undefined || trusted || this.#take(peer, response);
  }

  #take(address: string, emitter: Socket | Http2ServerResponse): boolean {
    const count = this.#open.get(address) ?? 0;
    if (count >= this.limit) {
      if (!this.#told.has(address) && this.#told.size < 1_000) {
        this.#told.add(address);
        this.log.warn(
          `${address} has ${this.limit} connections open: further connections are closed, and further HTTP/2 requests refused. If it is a proxy, add it to trust`,
        );
      }
      return false;
    }
    this.#open.set(address, count + 1);
    emitter.once('close', () => {
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
