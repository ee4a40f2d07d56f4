/**
 * Clients of node:http2, but for @grpc/grpc-js, which is patched above it.
 *
 * A session is one connection, and a request belongs to its session from the start: one whose instance is of the wrong lane
 * is made on a sibling, a session of our own to the right instance. Service names are resolved as the socket connects.
 * The class is not given out by node:http2; a session that never connects shows its prototype.
 * Limits: siblings do not take over the session's settings; a session over TLS with a `createConnection` of the app's own has
 * no sibling.
 */
import type http2 from 'node:http2';
import { currentContext, UNKNOWN, type SettledVerdict, type Unavailable } from '@lane/core/model';
import { onBuiltinLoaded } from '../patching/builtin-hook.js';
import { deadSession } from '../outbound/http2/dead-session.js';
import { goalOf, noteSessionOn, resolveServiceNames } from '../outbound/http2/service-names.js';
import { authorityOf, keepCalledOrigin, remoteOf, siblingOf, socketOf } from '../outbound/http2/siblings.js';
import { carryLane } from '../outbound/carry-lane.js';
import { copyHeaders } from '../outbound/header-forms.js';
import { settled, unavailableError, type Outbound } from '../outbound/outbound.js';
import { isPatchedDispatcher } from '../outbound/undici/dispatch.js';
import { safely } from '../patching/safely.js';
import type { TrafficRecorder } from '../observe/traffic/recorder.js';
import { symbolNamed } from '../patching/symbol-named.js';
import { wrap } from '../patching/wrap.js';

type Session = http2.ClientHttp2Session;
type Request = (this: Session, headers?: unknown, options?: unknown) => http2.ClientHttp2Stream;

type AddListener = (this: Session, event: string, listener: unknown) => unknown;

export function install(outbound: Outbound): void {
  onBuiltinLoaded('http2', () => {
    const dummy = deadSession('http://lane');
    const prototype = Object.getPrototypeOf(dummy) as object;
    wrap(prototype, 'request', (original: Request) => requestInLane(original, outbound));
    wrap(prototype, 'on', noteSessions);
    dummy.destroy();
    resolveServiceNames(outbound);
  });
}

const noteSession = safely('http2-client session', (session: Session) => {
  const socket = socketOf(session);
  if (socket === undefined) return;
  noteSessionOn(socket);
  if (goalOf(socket) !== undefined) session.once('connect', () => keepOrigin(session));
});
const keepOrigin = safely('http2-client origin', keepCalledOrigin);

/** A session listens to itself as it is made (Http2Session of lib/internal/http2/core.js, Node 20 to 26): it has its socket by then. */
function noteSessions(original: AddListener): AddListener {
  return function on(this: Session, event, listener) {
    const result = original.call(this, event, listener);
    if (event === 'newListener') noteSession(this);
    return result;
  };
}

function requestInLane(original: Request, outbound: Outbound): Request {
  const { router, observers } = outbound;
  const route = safely('http2-client destination', (session: Session): Way => {
    const tag = currentContext()?.tag;
    const judge = (candidate: Session): SettledVerdict => {
      const remote = remoteOf(candidate, tag);
      return remote === undefined ? UNKNOWN : settled(router.judge(remote.ip, remote.port, tag, true));
    };
    const isRight = (candidate: Session): boolean => {
      const { kind } = judge(candidate);
      return kind === 'unknown' || kind === 'as-is';
    };
    const verdict = judge(session);
    if (verdict.kind === 'unavailable') return { through: undefined, verdict };
    const begin = verdict.kind === 'redirect' ? () => outbound.connecting.begin(verdict) : undefined;
    const through = siblingOf(session, tag, begin, isRight);
    return { through: through ?? session, verdict };
  });
  const withLane = safely('http2-client headers', (session: Session, given: unknown): unknown => {
    const context = currentContext();
    if (context === undefined && outbound.propagation.strips === undefined) return given;
    const headers = copyHeaders(given);
    carryLane(context, outbound, headers, authorityOf(session).host);
    return headers.toHeaders();
  });

  const count = safely('http2-client traffic', (traffic: TrafficRecorder, session: Session, verdict: SettledVerdict) => {
    const { host, port } = authorityOf(session);
    return traffic.call(host, port, currentContext()?.tag, verdict);
  });

  const hear = safely('http2-client answers', (stream: http2.ClientHttp2Stream, headers: http2.IncomingHttpHeaders) => {
    const status = Number(headers[':status']);
    const socket = outbound.connecting.minds(status) && stream.session !== undefined ? stream.session.socket : undefined;
    if (socket?.remoteAddress !== undefined && socket.remotePort !== undefined)
      outbound.connecting.responded(socket.remoteAddress, socket.remotePort, status);
  });
  function answered(this: http2.ClientHttp2Stream, headers: http2.IncomingHttpHeaders): void {
    hear(this, headers);
  }
  const followAnswer = safely('http2-client answers', (stream: http2.ClientHttp2Stream) => stream.on('response', answered));

  return function request(this: Session, headers?: unknown, options?: unknown): http2.ClientHttp2Stream {
    if (isGrpc(headers) || isOfDispatcher(this)) return original.call(this, headers, options);
    const prepared = withLane(this, headers) ?? headers;
    const { through, verdict }: Way = (router.isEmpty ? undefined : route(this)) ?? { through: this, verdict: UNKNOWN };
    const { traffic } = observers;
    const series = traffic === undefined ? undefined : count(traffic, this, verdict);
    if (through !== undefined) {
      const made = original.call(through, prepared, options);
      if (series !== undefined) traffic?.followStream(made, series);
      if (outbound.connecting.judgesAnswers && !router.isEmpty) followAnswer(made);
      return made;
    }
    if (series !== undefined) series.errors++;
    const dead = deadSession('http://lane');
    const stream = original.call(dead, prepared, options);
    process.nextTick(() => dead.destroy(unavailableError(verdict)));
    return stream;
  };
}

const owners = new WeakMap<Session, boolean>();

/**
 * Whether a session is that of a dispatcher of undici, which makes requests when its queue is worked off: lane, headers and destination of
 * each have been decided as it was dispatched.
 */
function isOfDispatcher(session: Session): boolean {
  let isOwned = owners.get(session);
  if (isOwned === undefined) {
    const client = symbolNamed(session, 'client') as { readonly dispatch?: unknown } | undefined;
    isOwned = typeof client?.dispatch === 'function' && isPatchedDispatcher(client);
    owners.set(session, isOwned);
  }
  return isOwned;
}

/** The session that a request is made on, and why; none where nothing may serve it. */
type Way = { readonly through: Session; readonly verdict: SettledVerdict } | { readonly through: undefined; readonly verdict: Unavailable };

function isGrpc(headers: unknown): boolean {
  const agent = (headers as Record<string, unknown> | null | undefined)?.['user-agent'];
  return typeof agent === 'string' && agent.includes('grpc-node-js/');
}
