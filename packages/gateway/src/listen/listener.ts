/**
 * The gateway's client side: HTTP/1.1, and HTTP/2 on the same port, by ALPN with TLS and by prior knowledge without.
 */
import http, { type IncomingMessage, type ServerResponse } from 'node:http';
import http2, { type Http2ServerRequest, type Http2ServerResponse, type ServerHttp2Session } from 'node:http2';
import https from 'node:https';
import { once } from 'node:events';
import type { AddressInfo, Socket } from 'node:net';
import { InTurn } from './in-turn.js';
import { limitSession, MAX_HEADER_LIST_BYTES, MAX_STREAMS, type ConnectionLimit } from './limits.js';
import { watchSession } from './session-life.js';

/** An HTTP/1.1 or HTTP/2 request, through Node's compatibility API. */
export type AnyRequest = IncomingMessage | Http2ServerRequest;
/** The answer to one. */
export type AnyResponse = ServerResponse | Http2ServerResponse;

/** A certificate and its key, PEM. */
export interface Certificate {
  readonly cert: string | Buffer;
  readonly key: string | Buffer;
}

/** Options of {@link startListener}. */
export interface ListenerOptions {
  readonly port: number;
  readonly host: string;
  readonly certificate: Certificate | undefined;
  /** How long a client may take for the head of its request. */
  readonly headersTimeoutMs: number;
  /** How long a connection may stay open without a request. */
  readonly keepAliveTimeoutMs: number;
  /** How long a connection may stall during a request. */
  readonly idleTimeoutMs: number;
  readonly connections: ConnectionLimit;
  /** Header lines of a request; one more is still counted, so that it can be refused. */
  readonly maxHeaders: number;
  readonly onRequest: (request: AnyRequest, response: AnyResponse) => void;
  /** A WebSocket's handshake, or CONNECT. */
  readonly onUpgrade: (request: IncomingMessage, socket: Socket, head: Buffer) => void;
}

/** A listening port. */
export interface Listener {
  readonly port: number;
  setCertificate(certificate: Certificate): void;
  /** Accepts no further connections, and ends idle ones. Resolves when the last one is gone, by force after `deadlineMs`. */
  close(deadlineMs: number): Promise<void>;
}

const HTTP2_PREFACE = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n');
const HANDSHAKE_TIMEOUT_MS = 10_000;

/** Starts listening. Rejects with code `ELANE_PORT_IN_USE` if the port is taken. */
export async function startListener(options: ListenerOptions): Promise<Listener> {
  const { certificate, host, onRequest } = options;
  const limits = {
    headersTimeout: options.headersTimeoutMs,
    // A long upload is fine; the idle timeout ends one that stalls.
    requestTimeout: 0,
    keepAliveTimeout: options.keepAliveTimeoutMs,
    connectionsCheckingInterval: Math.min(1_000, options.headersTimeoutMs),
    // We refuse such a request in its turn: Node would answer it itself, and go on with the next one.
    requireHostHeader: false,
  };
  const turns = new InTurn();
  const onHttp1 = (request: IncomingMessage, response: ServerResponse): void => turns.serve(request, response, onRequest);
  const server =
    certificate === undefined
      ? http.createServer(limits, onHttp1)
      : https.createServer({ ...limits, ...certificate, ALPNProtocols: ['h2', 'http/1.1'], handshakeTimeout: HANDSHAKE_TIMEOUT_MS }, onHttp1);
  // Node silently drops lines beyond a limit, even framing. Without one, the size of the head is the limit.
  server.maxHeadersCount = 0;
  server.timeout = options.idleTimeoutMs;
  const sockets = new Set<Socket>();
  const waiting = new Set<Socket>();
  const sessions = new Set<ServerHttp2Session>();
  let closing: Promise<void> | undefined;

  const http2Server = http2.createServer(
    {
      settings: { maxConcurrentStreams: MAX_STREAMS, maxHeaderListSize: MAX_HEADER_LIST_BYTES, enablePush: false },
      // Room for pseudo headers, and for one header too many.
      maxHeaderListPairs: options.maxHeaders + 8,
    },
    onRequest,
  );
  http2Server.on('session', (session) => {
    sessions.add(session);
    watchSession(session, options.keepAliveTimeoutMs);
    limitSession(session);
    session.once('close', () => sessions.delete(session));
    if (closing !== undefined) session.close();
  });
  http2Server.on('sessionError', () => {});

  // Node's own connection listener runs after the choice of the protocol.
  const event = certificate === undefined ? 'connection' : 'secureConnection';
  const [serveHttp1] = server.listeners(event) as [(socket: Socket) => void];
  server.removeAllListeners(event);
  server.on(event, (socket: Socket & { alpnProtocol?: string | false | null }) => {
    sockets.add(socket);
    socket.once('close', () => sockets.delete(socket));
    if (socket.alpnProtocol === 'h2') serveHttp2(socket);
    else if (certificate !== undefined) serveHttp1.call(server, socket);
    else chooseByFirstBytes(socket);
  });

  server.prependListener('connection', (socket: Socket) => {
    // Not now: TLS is about to take the socket over.
    if (!options.connections.enter(socket)) setImmediate(() => socket.destroy());
  });

  /** HTTP/2 has no half-closed connections: when the client ends one, all its streams are gone. Sockets of node:http would stay half open. */
  function serveHttp2(socket: Socket): void {
    socket.once('end', () => socket.destroy());
    http2Server.emit('connection', socket);
  }

  /** HTTP/2 without TLS starts with its preface (RFC 9113, 3.3). */
  function chooseByFirstBytes(socket: Socket): void {
    waiting.add(socket);
    const giveUp = (): void => void socket.destroy();
    socket.setTimeout(options.headersTimeoutMs, giveUp);
    socket.once('error', giveUp);
    let held: Buffer = Buffer.alloc(0);
    const look = (): void => {
      const chunk = socket.read() as Buffer | null;
      // The end of the socket, or no data yet.
      if (chunk === null) return;
      held = held.length === 0 ? chunk : Buffer.concat([held, chunk]);
      const isPreface = HTTP2_PREFACE.subarray(0, held.length).equals(held.subarray(0, HTTP2_PREFACE.length));
      // `PUT` starts with the same letter, and packets may be tiny.
      if (isPreface && held.length < 3) return;
      socket.removeListener('readable', look);
      socket.removeListener('error', giveUp);
      socket.removeListener('end', giveUp);
      socket.removeListener('timeout', giveUp);
      socket.setTimeout(0);
      waiting.delete(socket);
      socket.unshift(held);
      if (isPreface) serveHttp2(socket);
      else serveHttp1.call(server, socket);
    };
    socket.on('readable', look);
    socket.once('end', giveUp);
    socket.once('close', () => waiting.delete(socket));
  }

  server.on('upgrade', (request, stream, head) => {
    const socket = stream as Socket;
    // Node leaves it without an error listener.
    socket.on('error', () => socket.destroy());
    // Earlier requests are not answered yet, and their answers must be written first.
    if (turns.isBusy(socket)) {
      socket.destroy();
      return;
    }
    const isWebSocket = request.method === 'GET' && request.httpVersion === '1.1' && request.headers.upgrade?.toLowerCase() === 'websocket';
    if (isWebSocket) options.onUpgrade(request, socket, head);
    else serveWithoutUpgrade(request, socket, head);
  });
  server.on('connect', (request, stream, head) => {
    const socket = stream as Socket;
    socket.on('error', () => socket.destroy());
    if (turns.isBusy(socket)) socket.destroy();
    else options.onUpgrade(request, socket, head);
  });

  /**
   * A server may ignore an upgrade that it does not want (RFC 9110, 7.8): Java's HttpClient offers h2c with each first request. Node
   * supports that only from 24 on (shouldUpgradeCallback), so the head is put back in front of the body, without the offer, and read again.
   */
  function serveWithoutUpgrade(request: IncomingMessage, socket: Socket, head: Buffer): void {
    let text = `${request.method} ${request.url} HTTP/${request.httpVersion}\r\n`;
    const { rawHeaders } = request;
    for (let i = 0; i < rawHeaders.length; i += 2) {
      const name = rawHeaders[i] as string;
      const lower = name.toLowerCase();
      const value = rawHeaders[i + 1] as string;
      if (lower === 'upgrade') continue;
      // Other headers that it names still end here.
      text += `${name}: ${lower === 'connection' ? withoutUpgrade(value) : value}\r\n`;
    }
    socket.unshift(Buffer.concat([Buffer.from(`${text}\r\n`, 'latin1'), head]));
    serveHttp1.call(server, socket);
  }

  await listen(server, options.port, host);
  return {
    port: (server.address() as AddressInfo).port,
    setCertificate: (changed) => (server as https.Server).setSecureContext({ ...changed }),
    close: (deadlineMs) =>
      (closing ??= new Promise((resolve) => {
        const force = setTimeout(() => {
          for (const session of sessions) session.destroy();
          for (const socket of sockets) socket.destroy();
        }, deadlineMs);
        server.close(() => {
          clearTimeout(force);
          resolve();
        });
        server.closeIdleConnections();
        for (const session of sessions) session.close();
        for (const socket of waiting) socket.destroy();
      })),
  };
}

function withoutUpgrade(connection: string): string {
  return connection
    .split(',')
    .filter((item) => item.trim().toLowerCase() !== 'upgrade')
    .join(',');
}

/** Listens. Rejects with code `ELANE_PORT_IN_USE` if the port is taken. */
export async function listen(server: http.Server, port: number, host: string): Promise<void> {
  server.listen(port, host);
  try {
    await once(server, 'listening');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EADDRINUSE') throw error;
    throw Object.assign(new Error(`port ${port} of ${host} is in use: stop what listens there, or choose another port (0 takes a free one)`), {
      code: 'ELANE_PORT_IN_USE',
    });
  }
}
