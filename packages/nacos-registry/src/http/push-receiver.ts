import type { Socket } from 'node:dgram';
import { messageOf } from '@lane/core/model';
import type { KnownServers } from './known-servers.js';
import { PushReader, type PushHint } from './push-reader.js';

/** Options of {@link PushReceiver}. */
export interface PushReceiverOptions {
  readonly servers: KnownServers;
  /** Called for each push of a server. */
  readonly onHint: (service: PushHint['service']) => void;
  /** Called for packets from elsewhere, which are not read. */
  readonly onStranger: (address: string) => void;
  readonly onTrouble: (problem: string) => void;
}

interface Bound {
  readonly address: string;
  readonly socket: Socket;
  readonly port: Promise<number>;
}

/**
 * Receives Nacos's UDP pushes on one port of the interface that reaches the server, and acknowledges those of servers. Others get no answer.
 * The socket keeps no process alive.
 */
export class PushReceiver {
  readonly #options: PushReceiverOptions;
  readonly #reader = new PushReader();
  #bound: Bound | undefined;
  #closed = false;

  constructor(options: PushReceiverOptions) {
    this.#options = options;
  }

  /** The port of a local IPv4 address, for the server; 0 if there can be none, and polling has to suffice. */
  port(address: string): Promise<number> {
    if (this.#closed) return Promise.resolve(0);
    if (this.#bound?.address !== address) {
      this.#bound?.socket.close();
      this.#bound = this.#bind(address);
    }
    return this.#bound.port;
  }

  close(): void {
    this.#closed = true;
    this.#bound?.socket.close();
    this.#bound = undefined;
  }

  #bind(address: string): Bound {
    const { createSocket } = require('node:dgram') as typeof import('node:dgram');
    const socket = createSocket('udp4');
    socket.unref();
    const port = new Promise<number>((resolve) => {
      socket.on('error', (error) => {
        this.#options.onTrouble(messageOf(error));
        resolve(0);
      });
      socket.on('close', () => resolve(0));
      socket.on('listening', () => resolve(socket.address().port));
    });
    socket.on('message', (packet, sender) => {
      try {
        this.#receive(socket, packet, sender.address, sender.port);
      } catch (error) {
        this.#options.onTrouble(messageOf(error));
      }
    });
    // Exclusive: otherwise a `cluster` worker's port would belong to the primary process.
    socket.bind({ address, port: 0, exclusive: true });
    return { address, socket, port };
  }

  #receive(socket: Socket, packet: Buffer, address: string, port: number): void {
    const { servers, onHint, onStranger } = this.#options;
    if (!servers.has(address)) {
      onStranger(address);
      return;
    }
    const hint = this.#reader.read(packet);
    if (hint === undefined) return;
    if (hint.acknowledgement !== undefined) socket.send(hint.acknowledgement, port, address, ignore);
    onHint(hint.service);
  }
}

function ignore(): void {}

/** The local IPv4 address from which a host is reached, as the system routes it: connecting a UDP socket sends nothing. undefined: none. */
export function localAddressTowards(host: string, port: number): Promise<string | undefined> {
  const { createSocket } = require('node:dgram') as typeof import('node:dgram');
  return new Promise((resolve) => {
    const socket = createSocket('udp4');
    socket.unref();
    const finish = (address: string | undefined): void => {
      resolve(address);
      socket.close();
    };
    socket.once('error', () => finish(undefined));
    socket.once('connect', () => finish(socket.address().address));
    socket.connect(port, host);
  });
}
