/** Requests that a client sends one behind the other (RFC 9112, 9.3.2), without waiting for answers: each is served when the one before is answered. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';

/** What waits on a connection; more is not put up with. */
const MAX_WAITING = 100;

type Serve = (request: IncomingMessage, response: ServerResponse) => void;

/** Whether something is under way on each connection, and what waits. */
export class InTurn {
  readonly #waiting = new WeakMap<Socket, Array<() => void>>();

  /** Whether a request is under way on this connection. */
  isBusy(socket: Socket): boolean {
    return this.#waiting.has(socket);
  }

  /** Serves a request, now or when its turn comes. */
  serve(request: IncomingMessage, response: ServerResponse, serve: Serve): void {
    const { socket } = request;
    const queue = this.#waiting.get(socket);
    const begin = (): void => {
      response.once('close', () => this.#next(socket));
      serve(request, response);
    };
    if (queue === undefined) {
      this.#waiting.set(socket, []);
      begin();
    } else if (queue.length < MAX_WAITING) queue.push(begin);
    else socket.destroy();
  }

  #next(socket: Socket): void {
    const next = socket.destroyed ? undefined : this.#waiting.get(socket)?.shift();
    if (next === undefined) this.#waiting.delete(socket);
    else next();
  }
}
