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
import { currentContext, LaneUnavailableError, writeLane } from '@lane/core/model';
import { onBuiltinLoaded } from '../patching/builtin-hook.js';
import type { Destination } from '../outbound/destination.js';
import { deadSession } from '../outbound/http2/dead-session.js';
import { resolveServiceNames } from '../outbound/http2/service-names.js';
import { authorityOf, remoteOf, siblingOf } from '../outbound/http2/siblings.js';
import { copyHeaders } from '../outbound/header-forms.js';
import type { Runtime } from '../boot/runtime.js';
import { safely } from '../patching/safely.js';
import type { TrafficRecorder } from '../observe/traffic/recorder.js';
import { wrap } from '../patching/wrap.js';

type Session = http2.ClientHttp2Session;
type Request = (this: Session, headers?: unknown, options?: unknown) => http2.ClientHttp2Stream;

export function install(runtime: Runtime): void {
  onBuiltinLoaded('http2', () => {
    const dummy = deadSession('http://lane');
    wrap(Object.getPrototypeOf(dummy) as object, 'request', (original) => requestInLane(original as never, runtime));
    dummy.destroy();
    resolveServiceNames(runtime);
  });
}

function requestInLane(original: Request, runtime: Runtime): Request {
  const { destinations } = runtime;
  const route = safely('http2-client destination', (session: Session): Session | LaneUnavailableError | undefined => {
    const tag = currentContext()?.tag;
    const right = (candidate: Session): Destination => {
      const remote = remoteOf(candidate, tag);
      return remote === undefined ? undefined : destinations.choose(remote.ip, remote.port, tag, true);
    };
    const destination = right(session);
    if (destination === undefined || destination instanceof Promise) return siblingOf(session, tag, undefined, right);
    return destination instanceof LaneUnavailableError ? destination : siblingOf(session, tag, destination.instance, right);
  });
  const withLane = safely('http2-client headers', (session: Session, given: unknown): unknown => {
    const context = currentContext();
    if (context === undefined || (context.tag !== undefined && !runtime.propagation.allows(authorityOf(session).host))) return given;
    const headers = copyHeaders(given);
    writeLane(context, runtime.codec, headers);
    return headers.toHeaders();
  });

  const count = safely('http2-client traffic', (traffic: TrafficRecorder, session: Session, through: Session | LaneUnavailableError) => {
    const { host, port } = authorityOf(session);
    const remote = through instanceof LaneUnavailableError ? undefined : remoteOf(through, currentContext()?.tag);
    return traffic.call(
      remote?.ip ?? host,
      remote?.port ?? port,
      currentContext()?.tag,
      through instanceof LaneUnavailableError ? through : undefined,
    );
  });

  return function request(this: Session, headers?: unknown, options?: unknown): http2.ClientHttp2Stream {
    if (isGrpc(headers)) return original.call(this, headers, options);
    const prepared = withLane(this, headers) ?? headers;
    const through = destinations.isEmpty ? this : (route(this) ?? this);
    const { traffic } = runtime;
    const series = traffic === undefined ? undefined : count(traffic, this, through);
    if (!(through instanceof LaneUnavailableError)) {
      const made = original.call(through, prepared, options);
      if (series !== undefined) traffic?.followStream(made, series);
      return made;
    }
    if (series !== undefined) series.errors++;
    const dead = deadSession('http://lane');
    const stream = original.call(dead, prepared, options);
    process.nextTick(() => dead.destroy(through));
    return stream;
  };
}

function isGrpc(headers: unknown): boolean {
  const agent = (headers as Record<string, unknown> | null | undefined)?.['user-agent'];
  return typeof agent === 'string' && agent.includes('grpc-node-js/');
}
