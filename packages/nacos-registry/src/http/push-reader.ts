import { parseJson } from '../bounded-json.js';

/** The content of a packet. */
export interface PushHint {
  /** The service that has changed, `GROUP@@NAME`, and the clusters that were asked for; undefined: some service. */
  readonly service: { readonly name: string; readonly clusters: string } | undefined;
  /** The acknowledgement for the server; undefined: none. Never longer than the packet. */
  readonly acknowledgement: string | undefined;
}

/** A packet of Nacos: `type` is `dom` for the instances of a service, in `data` as JSON. */
interface PushPacket {
  readonly type?: unknown;
  readonly data?: unknown;
  readonly lastRefTime?: unknown;
}

/** 500 instances; a longer list only counts as a hint. */
const MAX_TEXT_BYTES = 256 * 1024;
/** Budget of work: 5 ms per interval, for all senders. */
const WINDOW_MS = 200;
const MAX_PACKETS = 50;
const MAX_BYTES = 1024 * 1024;

/**
 * Reads Nacos' UDP pushes. Senders can be spoofed, so a push is only a hint to ask again, never data about a service; and
 * reading takes a bounded share of time. An unread packet is a hint, too, if a less exact one.
 */
export class PushReader {
  #windowStart = -Infinity;
  #packets = 0;
  #bytes = 0;

  /** undefined: not a push. */
  read(packet: Buffer): PushHint | undefined {
    const now = performance.now();
    if (now - this.#windowStart > WINDOW_MS) {
      this.#windowStart = now;
      this.#packets = 0;
      this.#bytes = 0;
    }
    if (++this.#packets > MAX_PACKETS || this.#bytes > MAX_BYTES) return UNREAD;
    const text = unzip(packet);
    this.#bytes += text?.length ?? MAX_TEXT_BYTES;
    if (text === undefined) return UNREAD;
    const push = parseJson(text) as PushPacket | null | undefined;
    if (push?.type !== 'dom' || typeof push.data !== 'string') return undefined;
    const list = parseJson(push.data) as { name?: unknown; dom?: unknown; clusters?: unknown } | null | undefined;
    const name = list?.name ?? list?.dom;
    if (typeof name !== 'string') return undefined;
    const clusters = typeof list?.clusters === 'string' ? list.clusters : '';
    return { service: { name, clusters }, acknowledgement: acknowledge(push.lastRefTime, packet.length) };
  }
}

const UNREAD: PushHint = { service: undefined, acknowledgement: undefined };

/** The text of a packet; undefined: too long, or can't be unzipped. */
function unzip(packet: Buffer): string | undefined {
  if (packet[0] !== 0x1f || packet[1] !== 0x8b) return packet.toString('utf8');
  const { gunzipSync } = require('node:zlib') as typeof import('node:zlib');
  try {
    return gunzipSync(packet, { maxOutputLength: MAX_TEXT_BYTES }).toString('utf8');
  } catch {
    return undefined;
  }
}

/** Nacos 2 has the time as a number, Nacos 1 as a text. */
function acknowledge(lastRefTime: unknown, longest: number): string | undefined {
  const isTime = typeof lastRefTime === 'string' ? /^\d{1,20}$/.test(lastRefTime) : Number.isSafeInteger(lastRefTime);
  if (!isTime) return undefined;
  const text = JSON.stringify({ type: 'push-ack', lastRefTime, data: '' });
  return text.length <= longest ? text : undefined;
}
