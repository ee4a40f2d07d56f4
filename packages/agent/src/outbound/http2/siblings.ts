/** Our own sessions beside an app's, for requests that may not go where the app's goes. */
import type http2 from 'node:http2';
import net from 'node:net';
import type tls from 'node:tls';
import type { Tag } from '@lane/core/model';
import { symbolNamed } from '../../patching/symbol-named.js';
import type { Attempt } from '../connecting/connecting.js';
import { ROUTE } from '../connecting/routed-sockets.js';
import { addressOfGoal, goalOf, withGoal } from './service-names.js';

type Session = http2.ClientHttp2Session;
/** Whether the session goes where requests of the tag may go. */
type Test = (session: Session) => boolean;

const siblings = new WeakMap<Session, Set<Session>>();

interface Authority {
  readonly url: string;
  readonly host: string;
  readonly port: number;
}

const authorities = new WeakMap<Session, Authority>();

/** The name or address that the app passed. Parsed once per session. */
export function authorityOf(session: Session): Authority {
  let authority = authorities.get(session);
  if (authority === undefined) authorities.set(session, (authority = parseAuthority(session)));
  return authority;
}

function parseAuthority(session: Session): Authority {
  const protocol = symbolNamed(session, 'protocol') as string;
  const { hostname, port, origin } = new URL(`${protocol}//${symbolNamed(session, 'authority') as string}`);
  const host = hostname.startsWith('[') ? hostname.slice(1, -1) : hostname;
  return { url: origin, host, port: port === '' ? (protocol === 'https:' ? 443 : 80) : Number(port) };
}

/**
 * Gives a session to a service name the origin that was called. http2 builds its first origin from the server name and the socket's actual
 * port (RFC 8336, 2.3), and pools such as http2-wrapper's find sessions by it. http2 builds it once, when it is first read.
 */
export function keepCalledOrigin(session: Session): void {
  const socket = socketOf(session);
  if (socket === undefined || session.encrypted !== true) return;
  Object.defineProperty(socket, 'remotePort', { value: authorityOf(session).port, configurable: true });
  try {
    // Reading it creates it.
    void session.originSet;
  } finally {
    Reflect.deleteProperty(socket, 'remotePort');
  }
}

/** Where a session goes; undefined: not known yet, but it will be right for this tag. */
export function remoteOf(session: Session, tag: Tag | undefined): { readonly ip: string; readonly port: number } | undefined {
  const socket = socketOf(session);
  if (socket?.remoteAddress !== undefined) return { ip: socket.remoteAddress.replace(/^::ffff:/, ''), port: socket.remotePort as number };
  const goal = goalOf(socket);
  const aimedAt = goal === undefined ? undefined : addressOfGoal(goal);
  if (aimedAt !== undefined) return aimedAt;
  const { host, port } = authorityOf(session);
  return goal?.isPending === true && goal.tag === tag ? undefined : { ip: host, port };
}

/** Whether a session, whose service is being learnt, will go where another tag's requests may go. */
function isForAnother(session: Session, tag: Tag | undefined): boolean {
  const goal = goalOf(socketOf(session));
  return goal?.isPending === true && goal.tag !== tag;
}

/**
 * A session for requests for which `session` is wrong, kept as long as that; undefined: `session` is right. `begin`: the verdict names an
 * instance to connect to.
 */
export function siblingOf(session: Session, tag: Tag | undefined, begin: (() => Attempt) | undefined, test: Test): Session | undefined {
  if (begin === undefined && !isForAnother(session, tag)) return undefined;
  let own = siblings.get(session);
  if (own === undefined) siblings.set(session, (own = keepSiblings(session)));
  for (const sibling of own) {
    if (sibling.closed || sibling.destroyed) own.delete(sibling);
    else if (!isForAnother(sibling, tag) && test(sibling)) return sibling;
  }
  const made = connectBeside(session, tag, begin?.());
  if (made !== undefined) {
    own.add(made);
    const set = own;
    made.on('close', () => set.delete(made));
    // Requests on it report their own errors.
    made.on('error', () => set.delete(made));
    made.on('stream', (...args: unknown[]) => session.emit('stream', ...args));
    // Whether the process stays alive is up to the app's session.
    made.unref();
  }
  return made;
}

function keepSiblings(session: Session): Set<Session> {
  const own = new Set<Session>();
  session.once('close', () => {
    for (const sibling of own) {
      sibling.ref();
      sibling.close();
    }
  });
  return own;
}

function connectBeside(session: Session, tag: Tag | undefined, attempt: Attempt | undefined): Session | undefined {
  const { connect } = require('node:http2') as typeof http2;
  const { url, host } = authorityOf(session);
  // Its service is being learnt, and so is this one's, for the current lane.
  if (attempt === undefined) return connect(url, tlsOptionsOf(session) ?? {});
  const { ip, port } = attempt.instance;
  const byName = net.isIP(host) === 0;
  const shown = byName ? url : `${url.slice(0, url.indexOf('//'))}//${ip.includes(':') ? `[${ip}]` : ip}:${port}`;
  const to = { host: ip, port, [ROUTE]: attempt };
  if (!url.startsWith('https:')) return connect(shown, { createConnection: () => withGoal(net.connect(to), { tag, isPending: false, attempt }) });
  const options = tlsOptionsOf(session);
  if (options === undefined) return undefined;
  const { connect: connectTls } = require('node:tls') as typeof tls;
  return connect(shown, {
    createConnection: () =>
      withGoal(connectTls({ ...options, ...to, ...(byName ? { servername: options.servername ?? host } : {}) }), { tag, isPending: false, attempt }),
  });
}

function tlsOptionsOf(session: Session): tls.ConnectionOptions | undefined {
  const socket = socketOf(session);
  const options = socket === undefined ? undefined : (symbolNamed(socket, 'connect-options') as tls.ConnectionOptions | undefined);
  if (options === undefined) return undefined;
  const { socket: _, path: __, ...rest } = options;
  return rest;
}

/** The socket of a session. */
export function socketOf(session: Session): net.Socket | undefined {
  return symbolNamed(session, 'socket') as net.Socket | undefined;
}
