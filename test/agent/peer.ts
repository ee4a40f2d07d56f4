import { readFileSync } from 'node:fs';
import http from 'node:http';
import https from 'node:https';
import type { TLSSocket } from 'node:tls';
import { join } from 'node:path';
import { listen } from '@lane/testing/ports';

/** What a peer saw of a request. */
export interface Seen {
  readonly name: string;
  readonly url: string;
  readonly host: string | undefined;
  /** Every line of `baggage`. */
  readonly baggage: readonly string[];
  readonly headers: http.IncomingHttpHeaders;
  readonly body: string;
  /** Over TLS: the server name that the client asked for. */
  readonly servername?: string | false | null;
  /** After a redirect or a failed first try: every line of `baggage` back then. */
  readonly earlier?: readonly string[];
}

/** A server that answers with what it saw. */
export interface Peer {
  readonly port: number;
  /** Absent if it is not a node:http server. */
  readonly server?: http.Server | https.Server;
  close(): Promise<void>;
}

/** The tests' certificate file, for NODE_EXTRA_CA_CERTS. */
export const TLS_CA = join(__dirname, 'tls/cert.pem');

/** Key and certificate of the tests: self-signed, for localhost, shop-b and 127.0.0.1. */
export const TLS = { key: readFileSync(join(__dirname, 'tls/key.pem')), cert: readFileSync(TLS_CA) };

const EVENTS = { 'content-type': 'text/event-stream' };

/**
 * Starts a peer; `/redirect?to=URL` redirects there, `/flaky?id=ID` fails the first time for each id. A client that accepts events gets a stream with
 * one event, or with none where others get a failure.
 */
export async function startPeer(name = 'peer', tls = false): Promise<Peer> {
  const broken = new Map<string, readonly string[]>();
  const answer = (request: http.IncomingMessage, response: http.ServerResponse): void => {
    const url = new URL(request.url ?? '/', 'http://peer');
    const baggage = request.rawHeaders.filter((_, i) => i % 2 === 1 && request.rawHeaders[i - 1]?.toLowerCase() === 'baggage');
    const wantsEvents = request.headers.accept === EVENTS['content-type'];
    if (url.pathname === '/redirect') {
      const to = new URL(url.searchParams.get('to') ?? '/', `http://${request.headers.host}`);
      to.searchParams.set('earlier', JSON.stringify(baggage));
      response.writeHead(307, { location: to.href }).end();
      return;
    }
    const id = url.searchParams.get('id') ?? '';
    if (url.pathname === '/flaky' && !broken.has(id)) {
      broken.set(id, baggage);
      if (wantsEvents) response.writeHead(200, EVENTS).end('retry: 1\n\n');
      else response.writeHead(503, { 'retry-after': '0' }).end();
      return;
    }
    const before = url.searchParams.get('earlier');
    const earlier = before === null ? broken.get(id) : (JSON.parse(before) as string[]);
    let body = '';
    request.setEncoding('utf8');
    request.on('data', (chunk: string) => (body += chunk));
    request.on('end', () => {
      const seen: Seen = {
        name,
        url: request.url ?? '',
        host: request.headers.host,
        baggage,
        headers: request.headers,
        body,
        ...(tls ? { servername: (request.socket as TLSSocket).servername } : {}),
        ...(earlier === undefined ? {} : { earlier }),
      };
      if (wantsEvents) response.writeHead(200, EVENTS).end(`data: ${JSON.stringify(seen)}\n\n`);
      else response.end(JSON.stringify(seen));
    });
  };
  const server = tls ? https.createServer(TLS, answer) : http.createServer(answer);
  // A connection that it closes as idle just as a client reuses it would fail that call.
  server.keepAliveTimeout = 600_000;
  return {
    port: await listen(server),
    server,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}
