/**
 * The part of gRPC that Nacos needs, over node:http2: unary calls, and one bidirectional stream, on one connection.
 *
 * Not @grpc/grpc-js, although it is the usual choice: its open calls keep the process alive (`Http2Transport.addActiveCall` refs the session, and
 * exposes it to nobody; seen with 1.14.7), and ours is open as long as the app lives. It would also be one more package to install and 66 files to
 * load (80 ms), and its calls would be in the app's own spans. Source of the protocol:
 * https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md
 *
 * Every answer is bounded in size and time, and never throws. Nothing is compressed.
 */
import type { ClientHttp2Session, ClientHttp2Stream, IncomingHttpHeaders } from 'node:http2';
import { AwakeTimer, ByteCollector } from '@lane/core/model';
import { untraced } from '../untraced.js';

/** Where to connect to. */
export interface GrpcTarget {
  readonly host: string;
  readonly port: number;
  /** Over TLS. */
  readonly secure: boolean;
  /** Whether a call keeps the process alive until it is answered. A stream never does. */
  readonly holdProcess: boolean;
}

/** A bidirectional stream. */
export interface GrpcStream {
  send(message: Buffer): void;
}

/** Largest message: 10,000 instances of a service, and far more than any document of ours. */
const MAX_MESSAGE_BYTES = 4 * 1024 * 1024;
const CONNECT_TIMEOUT_MS = 3_000;
/** Length of a message's prefix: compression flag and length. */
const PREFIX_BYTES = 5;
const USER_AGENT = 'lane-nacos';

/** A connection. It ends once, and stays ended. */
export class GrpcChannel {
  /** Our own address as the server sees it. */
  readonly localAddress: string | undefined;
  readonly #session: ClientHttp2Session;
  readonly #holdProcess: boolean;
  readonly #onEnd: Array<(error: Error) => void> = [];
  #ended: Error | undefined;

  private constructor(session: ClientHttp2Session, holdProcess: boolean) {
    this.#session = session;
    this.#holdProcess = holdProcess;
    this.localAddress = session.socket.localAddress;
    session.on('error', (error) => this.end(error));
    session.on('goaway', () => this.end(new Error('the server ends the connection')));
    session.on('close', () => this.end(new Error('the connection was closed')));
  }

  /** Connects. Rejects with what went wrong, after 3 s at the latest. */
  static open({ host, port, secure, holdProcess }: GrpcTarget): Promise<GrpcChannel> {
    // Loaded here: an agent whose Nacos speaks HTTP must not load it.
    const { connect } = require('node:http2') as typeof import('node:http2');
    const authority = `${secure ? 'https' : 'http'}://${host.includes(':') ? `[${host}]` : host}:${port}`;
    return new Promise((resolve, reject) => {
      const session = untraced(() => connect(authority, { settings: { enablePush: false } }));
      session.unref();
      const timer = new AwakeTimer(CONNECT_TIMEOUT_MS, () => session.destroy(new Error('no answer in time')));
      if (!holdProcess) timer.unref();
      // Keep it: a session without an error listener throws into the process.
      session.on('error', reject);
      session.once('close', () => {
        timer.clear();
        reject(new Error('the connection was closed'));
      });
      // The server's settings come first, and prove that it speaks HTTP/2.
      session.once('remoteSettings', () => {
        timer.clear();
        if (session.destroyed) return;
        resolve(new GrpcChannel(session, holdProcess));
      });
    });
  }

  /** Why it has ended; undefined as long as it has not. */
  get ended(): Error | undefined {
    return this.#ended;
  }

  /** Calls `listener` once it ends, for whatever reason. */
  onEnd(listener: (error: Error) => void): void {
    this.#onEnd.push(listener);
  }

  /** Calls a method with one message, and returns the answer. Rejects with what went wrong. */
  call(path: string, message: Buffer, timeoutMs: number): Promise<Buffer> {
    return new Promise((resolve, reject) => {
      const stream = this.#request(path);
      const timer = new AwakeTimer(timeoutMs, () => stream.destroy(new Error('no answer in time')));
      if (!this.#holdProcess) timer.unref();
      let answer: Buffer | undefined;
      const settle = followStream(stream, (received) => (answer = received));
      stream.once('close', () => {
        timer.clear();
        const problem = settle();
        if (problem === undefined && answer !== undefined) resolve(answer);
        else reject(this.#ended ?? problem ?? new Error('an answer without a message'));
      });
      stream.end(framed(message));
    });
  }

  /** Opens a bidirectional call for the lifetime of the connection: its end ends the connection. */
  open(path: string, listener: (message: Buffer) => void): GrpcStream {
    const stream = this.#request(path);
    const settle = followStream(stream, listener);
    stream.once('close', () => this.end(settle() ?? new Error('the server has ended the stream')));
    return {
      send: (message) => {
        if (!stream.destroyed && !stream.writableEnded) stream.write(framed(message));
      },
    };
  }

  /** Ends it, and all calls in flight. */
  end(reason: Error): void {
    if (this.#ended !== undefined) return;
    this.#ended = reason;
    this.#session.destroy();
    for (const listener of this.#onEnd) listener(reason);
  }

  /** Throws if the connection has ended. */
  #request(path: string): ClientHttp2Stream {
    if (this.#ended !== undefined) throw this.#ended;
    const headers = { ':method': 'POST', ':path': path, 'content-type': 'application/grpc', te: 'trailers', 'user-agent': USER_AGENT };
    return untraced(() => this.#session.request(headers));
  }
}

/** Reads the messages of a stream. Once the stream is closed, the returned function says what went wrong; undefined: nothing. */
function followStream(stream: ClientHttp2Stream, listener: (message: Buffer) => void): () => Error | undefined {
  let problem: Error | undefined;
  let status: string | undefined;
  let isReading = true;
  const reader = new MessageReader(listener);
  const take = (headers: IncomingHttpHeaders): void => {
    status = headers['grpc-status']?.toString() ?? status;
    if (status !== undefined && status !== '0') problem ??= new Error(`gRPC status ${status} ${messageIn(headers)}`.trim());
  };
  stream.on('response', (headers) => {
    if (headers[':status'] !== 200) problem ??= new Error(`HTTP status ${headers[':status']}: no gRPC is served there`);
    take(headers);
  });
  stream.on('trailers', take);
  stream.on('error', (error) => (problem ??= error));
  stream.on('data', (chunk: Buffer) => {
    if (!isReading) return;
    const defect = reader.read(chunk);
    if (defect === undefined) return;
    isReading = false;
    problem ??= defect;
    stream.destroy();
  });
  return () => problem ?? (status === undefined ? new Error('the server has ended the stream') : undefined);
}

/** A server's percent-encoded error message, shortened. */
function messageIn(headers: IncomingHttpHeaders): string {
  const text = String(headers['grpc-message'] ?? '').slice(0, 200);
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

function framed(message: Buffer): Buffer {
  const prefix = Buffer.alloc(PREFIX_BYTES);
  prefix.writeUInt32BE(message.length, 1);
  return Buffer.concat([prefix, message]);
}

/** Assembles messages from chunks. */
class MessageReader {
  readonly #listener: (message: Buffer) => void;
  readonly #held = new ByteCollector();
  /** How many bytes are needed to continue. */
  #wanted = PREFIX_BYTES;

  constructor(listener: (message: Buffer) => void) {
    this.#listener = listener;
  }

  /** Returns what is wrong with the input; then reading must stop. */
  read(chunk: Buffer): Error | undefined {
    this.#held.add(chunk);
    if (this.#held.length < this.#wanted) return undefined;
    const { buffer, byteOffset, length: all } = this.#held.bytes;
    let rest = Buffer.from(buffer, byteOffset, all);
    this.#wanted = PREFIX_BYTES;
    while (rest.length >= PREFIX_BYTES) {
      if (rest[0] !== 0) return new Error('a compressed message, which was not requested');
      const length = rest.readUInt32BE(1);
      if (length > MAX_MESSAGE_BYTES) return new Error(`a message of ${length} bytes, more than ${MAX_MESSAGE_BYTES}`);
      this.#wanted = PREFIX_BYTES + length;
      if (rest.length < this.#wanted) break;
      this.#listener(rest.subarray(PREFIX_BYTES, this.#wanted));
      rest = rest.subarray(this.#wanted);
      this.#wanted = PREFIX_BYTES;
    }
    this.#held.drop(all - rest.length);
    return undefined;
  }
}
