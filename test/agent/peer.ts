import { readFileSync } from 'node:fs';
import http from 'node:http';
import https from 'node:https';
import type { AddressInfo } from 'node:net';
import { once } from 'node:events';
import { join } from 'node:path';

/** What a peer saw of a request. */
export interface Seen {
  readonly name: string;
  readonly url: string;
  readonly host: string | undefined;
  /** Every line of `baggage`. */
  readonly baggage: readonly string[];
  readonly headers: http.IncomingHttpHeaders;
  readonly body: string;
}

/** A server that answers with what it saw. */
export interface Peer {
  readonly port: number;
  close(): Promise<void>;
}

/** Key and certificate of the tests: self-signed, for localhost, shop-b and 127.0.0.1. */
export const TLS = { key: readFileSync(join(__dirname, 'tls/key.pem')), cert: readFileSync(join(__dirname, 'tls/cert.pem')) };

/** Starts a peer; `/redirect?to=URL` redirects there, `/flaky` breaks the first request of each name. */
export async function startPeer(name = 'peer', tls = false): Promise<Peer> {
  const broken = new Set<string>();
  const answer = (request: http.IncomingMessage, response: http.ServerResponse): void => {
    const url = new URL(request.url ?? '/', 'http://peer');
    if (url.pathname === '/redirect') {
      response.writeHead(307, { location: url.searchParams.get('to') ?? '/' }).end();
      return;
    }
    const id = url.searchParams.get('id') ?? '';
    if (url.pathname === '/flaky' && !broken.has(id)) {
      broken.add(id);
      response.writeHead(503, { 'retry-after': '0' }).end();
      return;
    }
    const baggage = request.rawHeaders.filter((_, i) => i % 2 === 1 && request.rawHeaders[i - 1]?.toLowerCase() === 'baggage');
    let body = '';
    request.setEncoding('utf8');
    request.on('data', (chunk: string) => (body += chunk));
    request.on('end', () => {
      const seen: Seen = { name, url: request.url ?? '', host: request.headers.host, baggage, headers: request.headers, body };
      response.end(JSON.stringify(seen));
    });
  };
  const server = tls ? https.createServer(TLS, answer) : http.createServer(answer);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    port: (server.address() as AddressInfo).port,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}
