/** Pushes lists of instances to clients that gave a UDP port, as Nacos 1.x and 2.x do for HTTP clients. */
import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';
import { gzipSync } from 'node:zlib';
import { keyOf, type ServiceId } from './naming-store.js';

interface Subscriber {
  readonly address: string;
  readonly port: number;
  /** As the client wrote them, because its cache key must be echoed. The server keeps one selector per port and service. */
  clusters: string;
  seenAt: number;
}

/** Clients ask again every 10 s; one that does not is gone. */
const SUBSCRIBER_TTL_MS = 20_000;
const COALESCE_MS = 5;
const RESEND_MS = 1_000;
const RESENDS = 2;
const COMPRESS_FROM_BYTES = 1024;

/** What is pushed for a service and clusters. */
export type MakeList = (id: ServiceId, clusters: string) => { readonly lastRefTime: number };

/** Sends changed lists to subscribers. */
export class UdpPush {
  readonly #socket: Socket;
  readonly #makeList: MakeList;
  readonly #subscribers = new Map<string, Map<string, Subscriber>>();
  readonly #due = new Map<string, NodeJS.Timeout>();
  /** Unacknowledged pushes, by client and lastRefTime. */
  readonly #unacknowledged = new Map<string, NodeJS.Timeout>();
  #closed = false;

  private constructor(socket: Socket, makeList: MakeList) {
    this.#socket = socket;
    this.#makeList = makeList;
    // A vanished client causes an ICMP error, which is not the server's problem.
    socket.on('error', () => {});
    socket.on('message', (message, from) => this.#acknowledge(message, `${from.address}:${from.port}`));
    socket.unref();
  }

  /** Opens a socket on a free port of `host`. */
  static async open(host: string, makeList: MakeList): Promise<UdpPush> {
    const socket = createSocket(host.includes(':') ? 'udp6' : 'udp4');
    socket.bind(0, host);
    await once(socket, 'listening');
    return new UdpPush(socket, makeList);
  }

  /** Adds a subscriber of a service. */
  subscribe(id: ServiceId, address: string, port: number, clusters: string): void {
    const key = keyOf(id);
    let subscribers = this.#subscribers.get(key);
    if (subscribers === undefined) this.#subscribers.set(key, (subscribers = new Map()));
    subscribers.set(`${address}:${port}`, { address, port, clusters, seenAt: Date.now() });
  }

  /** Notifies subscribers of a change after a short delay: several in quick succession make one push. */
  changed(id: ServiceId): void {
    const key = keyOf(id);
    if (this.#closed || !this.#subscribers.has(key) || this.#due.has(key)) return;
    const timer = setTimeout(() => {
      this.#due.delete(key);
      this.#push(id, key);
    }, COALESCE_MS);
    timer.unref();
    this.#due.set(key, timer);
  }

  close(): void {
    this.#closed = true;
    for (const timer of [...this.#due.values(), ...this.#unacknowledged.values()]) clearTimeout(timer);
    this.#due.clear();
    this.#unacknowledged.clear();
    this.#socket.close();
  }

  #push(id: ServiceId, key: string): void {
    if (this.#closed) return;
    const subscribers = this.#subscribers.get(key);
    if (subscribers === undefined) return;
    const oldest = Date.now() - SUBSCRIBER_TTL_MS;
    for (const [name, subscriber] of subscribers) {
      if (subscriber.seenAt < oldest) {
        subscribers.delete(name);
        continue;
      }
      const list = this.#makeList(id, subscriber.clusters);
      const packet = Buffer.from(JSON.stringify({ type: 'dom', data: JSON.stringify(list), lastRefTime: list.lastRefTime }));
      this.#send(packet.length >= COMPRESS_FROM_BYTES ? gzipSync(packet) : packet, subscriber, `${name} ${list.lastRefTime}`, RESENDS);
    }
    if (subscribers.size === 0) this.#subscribers.delete(key);
  }

  #send(packet: Buffer, to: Subscriber, name: string, resends: number): void {
    this.#socket.send(packet, to.port, to.address, () => {});
    clearTimeout(this.#unacknowledged.get(name));
    if (resends === 0) {
      this.#unacknowledged.delete(name);
      return;
    }
    const timer = setTimeout(() => this.#send(packet, to, name, resends - 1), RESEND_MS);
    timer.unref();
    this.#unacknowledged.set(name, timer);
  }

  #acknowledge(message: Buffer, from: string): void {
    let said: unknown;
    try {
      said = JSON.parse(message.toString());
    } catch {
      return;
    }
    // Untrusted input: anybody can send a packet.
    const lastRefTime = typeof said === 'object' && said !== null ? (said as { lastRefTime?: unknown }).lastRefTime : undefined;
    if (typeof lastRefTime !== 'number') return;
    const name = `${from} ${lastRefTime}`;
    clearTimeout(this.#unacknowledged.get(name));
    this.#unacknowledged.delete(name);
  }
}
