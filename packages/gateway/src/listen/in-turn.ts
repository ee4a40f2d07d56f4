/**
 * Pipelined requests (RFC 9112, 9.3.2): each is served when the one before is answered. Requests after the last one of a connection are ignored
 * (9.6), although Node still parses them.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';

/** Limits on what waits on a connection. */
const MAX_WAITING = 100;
/** Size of their heads in characters, including Node's overhead for each line. */
const MAX_WAITING_SIZE = 64 * 1024;
const SIZE_OF_LINE = 100;

type Serve = (request: IncomingMessage, response: ServerResponse) => void;

interface Waiting {
  readonly begin: () => void;
  readonly size: number;
}

/** By connection: whether a request is in flight, and which ones wait. */
export class InTurn {
  readonly #waiting = new WeakMap<Socket, Waiting[]>();

  /** Whether nothing else can start on this connection: a request is in flight, or the last answer has been written. */
  isBusy(socket: Socket): boolean {
    return this.#waiting.has(socket) || !socket.writable;
  }

  /** Serves a request, now or when its turn comes. */
  serve(request: IncomingMessage, response: ServerResponse, serve: Serve): void {
    const { socket } = request;
    if (!socket.writable) return;
    const queue = this.#waiting.get(socket);
    const begin = (): void => {
      response.once('close', () => this.#next(socket));
      serve(request, response);
    };
    if (queue === undefined) {
      this.#waiting.set(socket, []);
      begin();
      return;
    }
    queue.push({ begin, size: sizeOf(request) });
    let size = 0;
    for (const waiting of queue) size += waiting.size;
    if (queue.length > MAX_WAITING || size > MAX_WAITING_SIZE) socket.destroy();
  }

  #next(socket: Socket): void {
    // Node has ended it by now if that answer was the last.
    const next = socket.writable ? this.#waiting.get(socket)?.shift() : undefined;
    if (next === undefined) this.#waiting.delete(socket);
    else next.begin();
  }
}

function sizeOf({ url = '', rawHeaders }: IncomingMessage): number {
  let size = url.length + (rawHeaders.length / 2) * SIZE_OF_LINE;
  for (const text of rawHeaders) size += text.length;
  return size;
}
