/** An HTTP/2 peer, with prior knowledge or TLS. */
import http2 from 'node:http2';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import type { TLSSocket } from 'node:tls';
import { TLS, type Peer, type Seen } from '../../agent/peer.js';

/** Counts its connections. */
export interface Http2Peer extends Peer {
  readonly connections: number;
}

/** Starts it; it answers with what it saw. */
export async function startHttp2Peer(name: string, tls = false): Promise<Http2Peer> {
  let connections = 0;
  const sessions = new Set<http2.ServerHttp2Session>();
  const server = tls ? http2.createSecureServer(TLS) : http2.createServer();
  server.on('connection', () => connections++);
  server.on('session', (session: http2.ServerHttp2Session) => {
    sessions.add(session);
    session.on('close', () => sessions.delete(session));
  });
  server.on('stream', (stream: http2.ServerHttp2Stream, headers: http2.IncomingHttpHeaders) => {
    let body = '';
    stream.setEncoding('utf8');
    stream.on('data', (chunk: string) => (body += chunk));
    stream.on('error', () => {});
    stream.on('end', () => {
      const seen: Seen = {
        name,
        url: headers[':path'] ?? '',
        host: headers[':authority'],
        baggage: headers['baggage'] === undefined ? [] : [headers['baggage'] as string],
        headers,
        body,
        ...(tls ? { servername: (stream.session?.socket as TLSSocket | undefined)?.servername ?? false } : {}),
      };
      stream.respond({ ':status': 200 });
      stream.end(JSON.stringify(seen));
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    get connections() {
      return connections;
    },
    port: (server.address() as AddressInfo).port,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        for (const session of sessions) session.destroy();
      }),
  };
}
