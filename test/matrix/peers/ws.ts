/** Makes a peer answer WebSocket handshakes: its first message is what it saw of the handshake. */
import { createRequire } from 'node:module';
import { join } from 'node:path';
import type http from 'node:http';
import type { TLSSocket } from 'node:tls';
import type { Peer, Seen } from '../../agent/peer.js';

interface WebSocketServer {
  handleUpgrade(request: http.IncomingMessage, socket: unknown, head: Buffer, done: (webSocket: { send(text: string): void }) => void): void;
}

// A dependency of the matrix, which the other tests do not have.
const { WebSocketServer } = createRequire(join(__dirname, 'ws.ts'))('ws') as { WebSocketServer: new (options: object) => WebSocketServer };

/** Adds WebSocket to a peer. */
export function upgradable(peer: Peer, name: string): Peer {
  const sockets = new WebSocketServer({ noServer: true });
  peer.server?.on('upgrade', (request: http.IncomingMessage, socket: unknown, head: Buffer) => {
    const seen: Seen = {
      name,
      url: request.url ?? '',
      host: request.headers.host,
      baggage: request.rawHeaders.filter((_, i) => i % 2 === 1 && request.rawHeaders[i - 1]?.toLowerCase() === 'baggage'),
      headers: request.headers,
      body: '',
      servername: (request.socket as TLSSocket).servername ?? false,
    };
    sockets.handleUpgrade(request, socket, head, (webSocket) => webSocket.send(JSON.stringify(seen)));
  });
  return peer;
}
