/** A gRPC client: its connection, and the state that the server keeps while it lasts. */
import type { ServerHttp2Session, ServerHttp2Stream } from 'node:http2';
import type { ServiceId } from '../naming-store.js';
import { frameOf } from './payload.js';

/** A connected client. */
export class GrpcClient {
  /** Addresses registered by this connection, by service key. */
  readonly held = new Map<string, { readonly id: ServiceId; readonly addresses: readonly string[] }>();
  /** Subscribed clusters, by service key. */
  readonly subscribed = new Map<string, string>();
  /** The tenant as the client writes it, and the client's MD5, by document identity. */
  readonly listening = new Map<string, { readonly tenant: string; readonly md5: string }>();
  /** Its address. */
  readonly address: string;
  /** When it last sent something, by `performance.now()`. */
  heardAt = performance.now();
  readonly #session: ServerHttp2Session;
  #stream: ServerHttp2Stream | undefined;
  #pushes = 0;

  constructor(session: ServerHttp2Session) {
    this.#session = session;
    this.address = (session.socket.remoteAddress ?? '').replace(/^::ffff:/, '');
  }

  /** Whether it has set up its stream; before that, its requests are refused. */
  get isKnown(): boolean {
    return this.#stream !== undefined;
  }

  /** Pushes go to this stream from now on. */
  become(stream: ServerHttp2Stream): void {
    this.#stream = stream;
  }

  /** Sends a server request. The client's answer is ignored: the connection loses no messages. */
  push(type: string, fields: object): void {
    if (this.#stream === undefined || this.#stream.destroyed || this.#stream.writableEnded) return;
    this.#stream.write(frameOf(type, { headers: {}, requestId: String(++this.#pushes), ...fields }));
  }

  end(): void {
    this.#session.destroy();
  }
}
