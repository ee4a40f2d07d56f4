/** A client over gRPC: its connection, and what the server keeps for it as long as that lasts. */
import type { ServerHttp2Session, ServerHttp2Stream } from 'node:http2';
import type { ServiceId } from '../naming-store.js';
import { frameOf } from './payload.js';

/** A client that has connected. */
export class GrpcClient {
  /** By the service's key: the addresses that this connection has registered. */
  readonly held = new Map<string, { readonly id: ServiceId; readonly addresses: readonly string[] }>();
  /** By the service's key: the clusters that are asked for. */
  readonly subscribed = new Map<string, string>();
  /** By the document's identity: the tenant as the client writes it, and the md5 that it has. */
  readonly listening = new Map<string, { readonly tenant: string; readonly md5: string }>();
  /** Its address. */
  readonly address: string;
  /** When it was last heard, by `performance.now()`. */
  heardAt = performance.now();
  readonly #session: ServerHttp2Session;
  #stream: ServerHttp2Stream | undefined;
  #pushes = 0;

  constructor(session: ServerHttp2Session) {
    this.#session = session;
    this.address = (session.socket.remoteAddress ?? '').replace(/^::ffff:/, '');
  }

  /** Whether it has made itself known on a stream; before that it may ask for nothing. */
  get isKnown(): boolean {
    return this.#stream !== undefined;
  }

  /** Pushes go to this stream from now on. */
  become(stream: ServerHttp2Stream): void {
    this.#stream = stream;
  }

  /** Sends a request of the server's; what the client answers is nothing to us, as the connection loses none. */
  push(type: string, fields: object): void {
    if (this.#stream === undefined || this.#stream.destroyed || this.#stream.writableEnded) return;
    this.#stream.write(frameOf(type, { headers: {}, requestId: String(++this.#pushes), ...fields }));
  }

  end(): void {
    this.#session.destroy();
  }
}
