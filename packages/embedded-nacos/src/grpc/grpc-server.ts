/**
 * Nacos over gRPC, on node:http2: the services `Request` (a call and its answer) and `BiRequestStream` (on which a client
 * introduces itself and gets pushes). A connection is a client: its registrations end with it.
 * Source: alibaba/nacos, `core/remote/grpc` (`GrpcRequestAcceptor`, `GrpcBiStreamRequestAcceptor`).
 */
import { once } from 'node:events';
import type { Http2Server, ServerHttp2Session, ServerHttp2Stream } from 'node:http2';
import type { AddressInfo } from 'node:net';
import { ByteCollector } from '@lane/core/model';
import type { Sessions } from '../api/sessions.js';
import { idOf, type ConfigId } from '../config-store.js';
import { keyOf, type ServiceId } from '../naming-store.js';
import { GrpcClient } from './grpc-client.js';
import { frameOf, messageIn, PREFIX_BYTES, type Received } from './payload.js';
import { HANDLERS, refusalOf, serviceInfoOf, type GrpcResources } from './requests.js';

/** Options of {@link GrpcServer}. */
export interface GrpcServerOptions extends GrpcResources {
  readonly sessions: Sessions;
  readonly log: (line: string) => void;
}

const SUCCESS = { resultCode: 200, errorCode: 0, success: true };
/** Codes of `NacosException`: unregistered connection, no handler, no right. */
const UNREGISTERED = 301;
const NO_HANDLER = 302;
const NO_RIGHT = 403;
/** Nacos' own limit is 10 MiB. */
const MAX_MESSAGE_BYTES = 10 * 1024 * 1024;
/** For all messages being read together. */
const MAX_READ_BYTES = 64 * 1024 * 1024;
/** Clients send something every 5 s; Nacos probes them after 20 s of silence (`ConnectionManager`, `KEEP_ALIVE_TIME`). */
const SILENCE_MS = 20_000;
const COALESCE_MS = 5;

/** The gRPC side of the server. */
export class GrpcServer {
  readonly #options: GrpcServerOptions;
  readonly #server: Http2Server;
  readonly #clients = new Map<ServerHttp2Session, GrpcClient>();
  readonly #due = new Map<string, NodeJS.Timeout>();
  #reading = 0;

  private constructor(server: Http2Server, options: GrpcServerOptions) {
    this.#server = server;
    this.#options = options;
    server.on('session', (session) => this.#met(session));
    server.on('sessionError', () => {});
    server.on('stream', (stream, headers) => this.#opened(stream, headers[':path'] ?? ''));
  }

  /** Starts listening. Rejects if the port is in use. */
  static async listen(port: number, host: string, options: GrpcServerOptions): Promise<GrpcServer> {
    const { createServer } = require('node:http2') as typeof import('node:http2');
    const server = createServer();
    const grpc = new GrpcServer(server, options);
    server.listen(port, host);
    await once(server, 'listening');
    return grpc;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  /** Notifies subscribers of a service after a short delay: several changes in quick succession make one push. */
  serviceChanged(id: ServiceId): void {
    const key = keyOf(id);
    if (this.#due.has(key) || ![...this.#clients.values()].some(({ subscribed }) => subscribed.has(key))) return;
    const timer = setTimeout(() => {
      this.#due.delete(key);
      for (const client of this.#clients.values()) {
        const clusters = client.subscribed.get(key);
        if (clusters === undefined) continue;
        const { namespace, group, name } = id;
        const serviceInfo = serviceInfoOf(this.#options, id, clusters);
        client.push('NotifySubscriberRequest', { namespace, groupName: group, serviceName: name, serviceInfo, module: 'naming' });
      }
    }, COALESCE_MS);
    timer.unref();
    this.#due.set(key, timer);
  }

  /** Notifies the listeners of a document. */
  configChanged(key: ConfigId): void {
    const id = idOf(key);
    for (const client of this.#clients.values()) {
      const tenant = client.listening.get(id)?.tenant;
      if (tenant !== undefined) client.push('ConfigChangeNotifyRequest', { dataId: key.dataId, group: key.group, tenant, module: 'config' });
    }
  }

  /** Listeners of a document: the MD5 that each has, by address. */
  listeners(key: ConfigId): Readonly<Record<string, string>> {
    const id = idOf(key);
    const listening = [...this.#clients.values()].map(({ address, listening: documents }) => [address, documents.get(id)?.md5] as const);
    return Object.fromEntries(listening.filter((entry): entry is readonly [string, string] => entry[1] !== undefined));
  }

  /** Ends connections that have been silent for too long. */
  expire(): void {
    const now = performance.now();
    for (const client of this.#clients.values()) if (now - client.heardAt > SILENCE_MS) client.end();
  }

  async close(): Promise<void> {
    for (const timer of this.#due.values()) clearTimeout(timer);
    this.#due.clear();
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()));
    for (const client of this.#clients.values()) client.end();
    await closed;
  }

  #met(session: ServerHttp2Session): void {
    const client = new GrpcClient(session);
    this.#clients.set(session, client);
    session.on('error', () => {});
    session.on('close', () => {
      this.#clients.delete(session);
      for (const { id, addresses } of client.held.values()) for (const address of addresses) this.#options.naming.release(id, address, client);
    });
  }

  #opened(stream: ServerHttp2Stream, path: string): void {
    stream.on('error', () => {});
    const client = stream.session === undefined ? undefined : this.#clients.get(stream.session as ServerHttp2Session);
    if (client === undefined) {
      stream.destroy();
      return;
    }
    if (path === '/Request/request') this.#serveCall(stream, client);
    else if (path === '/BiRequestStream/requestBiStream') this.#serveStream(stream, client);
    // UNIMPLEMENTED
    else stream.respond({ ':status': 200, 'content-type': 'application/grpc', 'grpc-status': '12' }, { endStream: true });
  }

  #serveCall(stream: ServerHttp2Stream, client: GrpcClient): void {
    let isAnswered = false;
    this.#read(stream, client, (message) => {
      if (isAnswered) return;
      isAnswered = true;
      const [type, fields] = this.#answer(message, client);
      begin(stream);
      if (!stream.destroyed) stream.end(frameOf(type, fields));
    });
    // An incomplete message, or none.
    stream.on('end', () => isAnswered || stream.destroy());
  }

  #serveStream(stream: ServerHttp2Stream, client: GrpcClient): void {
    begin(stream);
    this.#read(stream, client, (message) => {
      // The rest are answers to pushes.
      if (message?.type === 'ConnectionSetupRequest') client.become(stream);
    });
    stream.on('end', () => void stream.end());
  }

  #answer(message: Received | undefined, client: GrpcClient): [type: string, fields: object] {
    if (message === undefined) return refused(400, 'Invalid request');
    const { type, fields, headers } = message;
    const answered = { ...SUCCESS, requestId: fields['requestId'] ?? null };
    if (type === 'ServerCheckRequest')
      return ['ServerCheckResponse', { ...answered, connectionId: client.address, supportAbilityNegotiation: false }];
    const handler = HANDLERS.get(type);
    if (handler === undefined) return refused(NO_HANDLER, 'RequestHandler Not Found');
    if (!client.isKnown) return refused(UNREGISTERED, 'Connection is unregistered.');
    const refusal = handler.isOpen === true ? undefined : this.#options.sessions.refusalOfToken(headers.get('accesstoken'));
    if (refusal !== undefined) return [handler.answer, { ...answered, resultCode: 500, errorCode: NO_RIGHT, success: false, message: refusal }];
    try {
      return [handler.answer, { ...answered, ...handler.handle(fields, client, this.#options) }];
    } catch (error) {
      return ['ErrorResponse', { ...answered, ...refusalOf(error) }];
    }
  }

  /** Reads messages; ends the stream of a client that sends too much. */
  #read(stream: ServerHttp2Stream, client: GrpcClient, take: (message: Received | undefined) => void): void {
    const held = new ByteCollector();
    let wanted = PREFIX_BYTES;
    const forget = (count: number): void => {
      this.#reading -= count;
      held.drop(count);
    };
    stream.on('data', (chunk: Buffer) => {
      client.heardAt = performance.now();
      if (stream.destroyed) return;
      held.add(chunk);
      this.#reading += chunk.length;
      if (this.#reading > MAX_READ_BYTES) return stream.destroy();
      if (held.length < wanted) return;
      const { buffer, byteOffset, length: all } = held.bytes;
      let rest = Buffer.from(buffer, byteOffset, all);
      for (wanted = PREFIX_BYTES; rest.length >= PREFIX_BYTES; wanted = PREFIX_BYTES) {
        const length = rest.readUInt32BE(1);
        // Compressed, or too long.
        if (rest[0] !== 0 || length > MAX_MESSAGE_BYTES) return stream.destroy();
        wanted = PREFIX_BYTES + length;
        if (rest.length < wanted) break;
        try {
          take(messageIn(rest.subarray(PREFIX_BYTES, wanted)));
        } catch (error) {
          this.#options.log(`a request over gRPC failed: ${String((error as Error).stack)}`);
          return stream.destroy();
        }
        rest = rest.subarray(wanted);
      }
      forget(all - rest.length);
    });
    stream.on('close', () => forget(held.length));
  }
}

/** Begins a successful answer. */
function begin(stream: ServerHttp2Stream): void {
  if (stream.destroyed || stream.headersSent) return;
  stream.on('wantTrailers', () => stream.sendTrailers({ 'grpc-status': '0' }));
  stream.respond({ ':status': 200, 'content-type': 'application/grpc' }, { waitForTrailers: true });
}

function refused(errorCode: number, message: string): [type: string, fields: object] {
  return ['ErrorResponse', { resultCode: 500, errorCode, success: false, message }];
}
