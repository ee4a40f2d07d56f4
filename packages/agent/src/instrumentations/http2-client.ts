/**
 * Clients of node:http2, except @grpc/grpc-js, which is patched above it.
 *
 * A session is one connection, and a request belongs to its session from the start. If the session's instance is of the wrong lane,
 * the request is made on a sibling: a session of ours to the right instance. Service names are resolved as the socket connects.
 * node:http2 does not export the class; a session that never connects reveals its prototype.
 * Limits: siblings do not inherit the session's settings; a session over TLS with the app's own `createConnection` has
 * no sibling.
 */
import type http2 from 'node:http2';
import { currentContext, UNKNOWN, type SettledVerdict, type Unavailable } from '@lane/core/model';
import { hearHttp2Answers } from '../outbound/connecting/answers.js';
import { deadSession } from '../outbound/http2/dead-session.js';
import { goalOf, resolveServiceNames } from '../outbound/http2/service-names.js';
import { noteSessionOn } from '../outbound/http2/sessions.js';
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

/** Call this once somebody has loaded node:http2. */
export function install(outbound: Outbound): void {
  const dummy = deadSession('http://lane');
  const prototype = Object.getPrototypeOf(dummy) as object;
  wrap(prototype, 'request', (original: Request) => requestInLane(original, outbound));
  wrap(prototype, 'on', noteSessions);
  dummy.destroy();
  resolveServiceNames(outbound);
}

const noteSession = safely('http2-client session', (session: Session) => {
  const socket = socketOf(session);
  if (socket === undefined) return;
  noteSessionOn(socket, session);
  if (goalOf(socket) !== undefined) session.once('connect', () => keepOrigin(session));
});
const keepOrigin = safely('http2-client origin', keepCalledOrigin);

/** A session adds a listener to itself in its constructor (Http2Session of lib/internal/http2/core.js, Node 20 to 26): it has its socket by then. */
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
    const isRight = (candidate: Session): boolean => {
      const remote = remoteOf(candidate, tag);
      if (remote === undefined) return true;
      const { kind, instance } = settled(router.judge(remote.ip, remote.port, tag, true));
      // If its instance is gone, it stays with the address as long as that accepts connections.
      return kind === 'unknown' || kind === 'as-is' || (instance?.ip === remote.ip && instance.port === remote.port);
    };
    const to = remoteOf(session, tag);
    const verdict = to === undefined ? UNKNOWN : settled(router.judge(to.ip, to.port, tag, true));
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

  const followAnswer = safely('http2-client answers', hearHttp2Answers(outbound.connecting));
  const follow = (made: http2.ClientHttp2Stream): http2.ClientHttp2Stream => {
    if (outbound.connecting.judgesAnswers && !router.isEmpty) followAnswer(made);
    return made;
  };

  return function request(this: Session, headers?: unknown, options?: unknown): http2.ClientHttp2Stream {
    if (isOfDispatcher(this)) return original.call(this, headers, options);
    if (isGrpc(headers)) return follow(original.call(this, headers, options));
    const prepared = withLane(this, headers) ?? headers;
    const { through, verdict }: Way = (router.isEmpty ? undefined : route(this)) ?? { through: this, verdict: UNKNOWN };
    const { traffic } = observers;
    const series = traffic === undefined ? undefined : count(traffic, this, verdict);
    if (through !== undefined) {
      const made = original.call(through, prepared, options);
      if (series !== undefined) traffic?.followStream(made, series);
      return follow(made);
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
 * Whether a session belongs to an undici dispatcher, which makes requests as it works off its queue: lane, headers and destination of
 * each were decided as it was dispatched.
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

/** The session for a request, and why; none if nothing may serve it. */
type Way = { readonly through: Session; readonly verdict: SettledVerdict } | { readonly through: undefined; readonly verdict: Unavailable };

function isGrpc(headers: unknown): boolean {
  const agent = (headers as Record<string, unknown> | null | undefined)?.['user-agent'];
  return typeof agent === 'string' && agent.includes('grpc-node-js/');
}
