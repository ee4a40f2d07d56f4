import type http2 from 'node:http2';
import net from 'node:net';

/** A session that waits for a connection which nobody makes: its requests never leave, and end when it is destroyed. */
export function deadSession(authority: string): http2.ClientHttp2Session {
  // Here and not at the top: an app that does not use http2 does not pay for it.
  const { connect } = require('node:http2') as typeof http2;
  const session = connect(authority, { createConnection: () => Object.assign(new net.Socket(), { connecting: true }) });
  session.on('error', () => {});
  return session;
}
