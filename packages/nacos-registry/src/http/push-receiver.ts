import type { Socket } from 'node:dgram';
import { messageOf } from '@lane/core/model';
import { parseJson } from './nacos-http.js';

/** A packet of Nacos: `type` is `dom` for the instances of a service, in `data` as JSON. */
interface PushPacket {
  readonly type?: unknown;
  readonly data?: unknown;
  readonly lastRefTime?: unknown;
}

/** Receives Nacos's UDP pushes on one port and acknowledges them. The socket holds no process alive. */
export class PushReceiver {
  readonly #onPush: (service: unknown, sender: string) => void;
  readonly #onTrouble: (problem: string) => void;
  #socket: Socket | undefined;
  #port: Promise<number> | undefined;

  /** `onPush` gets the list as Nacos sends it, and the sender's address. */
  constructor(onPush: (service: unknown, sender: string) => void, onTrouble: (problem: string) => void) {
    this.#onPush = onPush;
    this.#onTrouble = onTrouble;
  }

  /** The port to tell the server; 0 where there can be none, in which case polling has to do. */
  port(): Promise<number> {
    return (this.#port ??= this.#listen());
  }

  close(): void {
    const socket = this.#socket;
    this.#socket = undefined;
    this.#port = Promise.resolve(0);
    socket?.close();
  }

  #listen(): Promise<number> {
    return new Promise((resolve) => {
      const { createSocket } = require('node:dgram') as typeof import('node:dgram');
      const socket = createSocket('udp4');
      this.#socket = socket;
      socket.unref();
      socket.on('error', (error) => {
        this.#onTrouble(messageOf(error));
        if (this.#socket === socket) this.close();
        resolve(0);
      });
      socket.on('message', (packet, sender) => {
        try {
          this.#receive(socket, packet, sender.address, sender.port);
        } catch (error) {
          this.#onTrouble(messageOf(error));
        }
      });
      socket.on('listening', () => resolve(socket.address().port));
      // Exclusive: in a worker of `cluster` the port would else belong to the primary process.
      socket.bind({ port: 0, exclusive: true });
    });
  }

  #receive(socket: Socket, packet: Buffer, address: string, port: number): void {
    const push = parseJson(unzip(packet).toString('utf8')) as PushPacket | null | undefined;
    if (push === undefined || push === null) return;
    const service = push.type === 'dom' && typeof push.data === 'string' ? parseJson(push.data) : undefined;
    const type = push.type === 'dom' ? 'push-ack' : 'unknown-ack';
    socket.send(JSON.stringify({ type, lastRefTime: push.lastRefTime, data: '' }), port, address, ignore);
    if (service !== undefined) this.#onPush(service, address);
  }
}

function unzip(packet: Buffer): Buffer {
  if (packet[0] !== 0x1f || packet[1] !== 0x8b) return packet;
  const { gunzipSync } = require('node:zlib') as typeof import('node:zlib');
  return gunzipSync(packet, { maxOutputLength: MAX_UNZIPPED_BYTES });
}

/** Far above any list of instances, and far below what would hurt: anybody can send a packet. */
const MAX_UNZIPPED_BYTES = 16 * 1024 * 1024;

function ignore(): void {}
