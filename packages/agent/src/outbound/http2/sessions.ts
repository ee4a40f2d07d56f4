/** Which sockets belong to node:http2 sessions: it creates the session after its socket, in the same turn. */
import type http2 from 'node:http2';

const sessions = new WeakMap<object, http2.ClientHttp2Session>();

/** A session has been created on this socket. */
export function noteSessionOn(socket: object, session: http2.ClientHttp2Session): void {
  sessions.set(socket, session);
}

/** The session of a socket; undefined: it has none. */
export function sessionOn(socket: object): http2.ClientHttp2Session | undefined {
  return sessions.get(socket);
}

/** Options by which a TLS socket may become http2's: code that asks a server for its protocol has no session yet. */
export function offersHttp2(options: object): boolean {
  const { ALPNProtocols: offered } = options as { ALPNProtocols?: unknown };
  return Array.isArray(offered) ? offered.includes('h2') : Buffer.isBuffer(offered) && offered.includes('h2');
}
