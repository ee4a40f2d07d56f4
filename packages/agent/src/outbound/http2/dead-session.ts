import type http2 from 'node:http2';
import net from 'node:net';

/** A session that waits for a connection that never comes: its requests are never sent, and end when it is destroyed. */
export function deadSession(authority: string): http2.ClientHttp2Session {
  // Not at the top: an app that does not use http2 does not pay for it.
  const { connect } = require('node:http2') as typeof http2;
  const session = connect(authority, { createConnection: () => Object.assign(new net.Socket(), { connecting: true }) });
  session.on('error', () => {});
  return session;
}
