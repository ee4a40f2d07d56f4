/** Limits attempts with wrong tokens. */

const MAX_FAILURES = 10;
const WINDOW_MS = 5 * 60_000;
/** Limit of remembered peers; the oldest are forgotten first. */
const MAX_PEERS = 10_000;

interface Failures {
  count: number;
  readonly untilMs: number;
}

/** Failed attempts by peer, in memory. */
export class FailedAttempts {
  readonly #byPeer = new Map<string, Failures>();
  readonly #nowMs: () => number;

  /** `nowMs` is a monotonic clock. */
  constructor(nowMs: () => number = () => performance.now()) {
    this.#nowMs = nowMs;
  }

  /** How long a peer must wait, in milliseconds; 0 if it may try. */
  waitMsOf(ip: string): number {
    const failures = this.#current(peerOf(ip));
    return failures === undefined || failures.count < MAX_FAILURES ? 0 : Math.ceil(failures.untilMs - this.#nowMs());
  }

  /** Counts a failed attempt. */
  failed(ip: string): void {
    const peer = peerOf(ip);
    const failures = this.#current(peer);
    if (failures !== undefined) {
      failures.count++;
      return;
    }
    if (this.#byPeer.size >= MAX_PEERS) this.#byPeer.delete(this.#byPeer.keys().next().value as string);
    this.#byPeer.set(peer, { count: 1, untilMs: this.#nowMs() + WINDOW_MS });
  }

  #current(peer: string): Failures | undefined {
    const failures = this.#byPeer.get(peer);
    if (failures === undefined || failures.untilMs > this.#nowMs()) return failures;
    this.#byPeer.delete(peer);
    return undefined;
  }
}

/** An IPv6 peer counts by its /64 network, because it can choose any address in it. */
function peerOf(ip: string): string {
  return ip.includes(':') && !ip.includes('.') ? expandedNetwork(ip) : ip;
}

function expandedNetwork(ip: string): string {
  const [head = '', tail] = ip.split('::');
  const before = head === '' ? [] : head.split(':');
  const after = tail === undefined || tail === '' ? [] : tail.split(':');
  const zeros = tail === undefined ? 0 : Math.max(0, 8 - before.length - after.length);
  return [...before, ...Array.from({ length: zeros }, () => '0'), ...after].slice(0, 4).join(':');
}
