/**
 * Counts requests and calls. Exists only if metrics are on: at the admin port, or through OpenTelemetry.
 *
 * Requests are counted as they end, which `close` of their response always signals. So are failures of calls; we add no listener for
 * `error` or `response`, because both change what Node does.
 */
import type http from 'node:http';
import type http2 from 'node:http2';
import { channel } from 'node:diagnostics_channel';
import { TrafficCounters, trafficRouteOf, type AgentOptions, type Series } from '@lane/core/agent';
import { httpStatusOfGrpc, NO_TAG, REQUEST_MARK, type RequestTag, type ServiceTables, type SettledVerdict, type Tag } from '@lane/core/model';
import { isInternalHost } from '../../outbound/propagation.js';
import { safely } from '../../patching/safely.js';
import { Decisions } from './decisions.js';

/** Arrival time of a request, on its response or stream. */
const STARTED: unique symbol = Symbol('lane.traffic.started');
/** The series of a call's outcome, on the call. */
const SERIES: unique symbol = Symbol('lane.traffic.series');

type Response = http.ServerResponse & { [STARTED]?: number };
type InboundStream = http2.ServerHttp2Stream & { [STARTED]?: number; [REQUEST_MARK]?: RequestTag };
type Call = http.ClientRequest & { [SERIES]?: Series; res?: http.IncomingMessage | null };
type CallStream = http2.ClientHttp2Stream & { [SERIES]?: Series | undefined };

const MAX_REMEMBERED_HOSTS = 1000;
/** NGHTTP2_CANCEL. */
const CANCEL = 8;

/** The dimensions of metrics. */
export interface TrafficSources {
  readonly options: Pick<AgentOptions, 'tag'> & Partial<Pick<AgentOptions, 'readyPath'>>;
  readonly tables: ServiceTables;
  /** Whether a call is the agent's own. */
  isRegistry(host: string, port: number): boolean;
}

export class TrafficRecorder {
  readonly counters: TrafficCounters;
  readonly decisions = new Decisions();
  readonly since = new Date();
  inFlight = 0;
  /** When the last request arrived; `performance.now()`. */
  lastRequestAt = 0;
  /** Whether connections close after the current request. */
  isDraining = false;
  /** The series for the undici request that is being created. */
  dispatching: Series | undefined;

  readonly #sources: TrafficSources;
  readonly #hosts = new Map<string, string>();
  readonly #responseClosed: (this: Response) => void;
  readonly #streamClosed: (this: InboundStream) => void;

  constructor(sources: TrafficSources) {
    this.#sources = sources;
    this.counters = new TrafficCounters({ knows: (tag) => isKnownTag(sources, tag) });
    const end = safely('traffic', this.#end.bind(this));
    // One function each for all of them.
    this.#responseClosed = function closed(this: Response): void {
      // An event stream that its reader leaves has not failed, nor has a request that its client abandoned.
      const failed = this.headersSent ? this.statusCode >= 500 : !hasLeft(this.req);
      end((this.req as { [REQUEST_MARK]?: RequestTag })[REQUEST_MARK], failed, this[STARTED]);
    };
    this.#streamClosed = function closed(this: InboundStream): void {
      // A stream that its client abandoned is reset with CANCEL, as are all streams of a lost connection.
      const status = this.headersSent ? Number(this.sentHeaders?.[':status']) : this.rstCode === CANCEL ? 0 : 500;
      const code = Number(this.sentTrailers?.['grpc-status'] ?? this.sentHeaders?.['grpc-status'] ?? 0);
      end(this[REQUEST_MARK], status >= 500 || isFailedGrpcCode(code), this[STARTED]);
    };
    this.#followUndici();
  }

  /** An HTTP/1 request has arrived. Its tag has been decided. */
  requestCame(response: Response): void {
    // Node reports one that expects 100-continue twice.
    if (response[STARTED] !== undefined) return;
    response[STARTED] = this.#came(this.isDraining && isProbe(response.req, this.#sources.options.readyPath));
    if (this.isDraining) response.shouldKeepAlive = false;
    response.on('close', this.#responseClosed);
  }

  /** An HTTP/2 request has arrived. */
  streamCame(stream: InboundStream): void {
    if (stream[STARTED] !== undefined) return;
    stream[STARTED] = this.#came(false);
    stream.on('close', this.#streamClosed);
  }

  /** A connection is upgraded, such as to a WebSocket. */
  upgradeCame(mark: RequestTag | undefined): void {
    this.lastRequestAt = performance.now();
    const { tag, source } = mark ?? NO_TAG;
    this.counters.request(tag, source, false, undefined);
  }

  /** A call is made; undefined: it does not count, such as one to the registry. On the request path, change with care. */
  call(host: string, port: number, tag: Tag | undefined, verdict: SettledVerdict): Series | undefined {
    const route = trafficRouteOf(verdict);
    if (verdict.kind === 'unknown') {
      return this.#sources.isRegistry(host, port) ? undefined : this.counters.call(this.#classOf(host), tag, route);
    }
    const { instance, service } = verdict;
    this.decisions.note(service.name, tag, route, instance?.ip, instance?.port ?? port);
    return this.counters.call(service.name, tag, route);
  }

  /** Counts a request of node:http, and whether it fails. */
  follow(request: Call, host: string, port: number, tag: Tag | undefined, verdict: SettledVerdict): void {
    const series = this.call(host, port, tag, verdict);
    if (series === undefined) return;
    request[SERIES] = series;
    request.on('close', callClosed);
  }

  /** Counts the outcome of a request of HTTP/2. */
  followStream(stream: http2.ClientHttp2Stream, series: Series): void {
    (stream as CallStream)[SERIES] = series;
    stream.on('response', streamAnswered);
    stream.on('close', streamEnded);
  }

  /** Probes arrive as long as the process lives: they do not mean that a caller has not heard. */
  #came(isProbe: boolean): number {
    this.inFlight++;
    const now = performance.now();
    if (!isProbe) this.lastRequestAt = now;
    return now;
  }

  #end(mark: RequestTag | undefined, failed: boolean, startedAt: number | undefined): void {
    this.inFlight--;
    const { tag, source } = mark ?? NO_TAG;
    this.counters.request(tag, source, failed, (performance.now() - (startedAt as number)) / 1000);
  }

  #classOf(host: string): string {
    let known = this.#hosts.get(host);
    if (known === undefined) {
      known = isInternalHost(host.toLowerCase()) ? '(internal)' : '(external)';
      if (this.#hosts.size < MAX_REMEMBERED_HOSTS) this.#hosts.set(host, known);
    }
    return known;
  }

  /** undici reports its requests on channels, which all its copies share. */
  #followUndici(): void {
    const on = (name: string, hear: (message: { request: { [SERIES]?: Series | undefined }; response?: { statusCode: number } }) => void): void =>
      channel(name).subscribe(safely('traffic of undici', hear as (message: unknown) => void));
    on('undici:request:create', ({ request }) => {
      if (this.dispatching !== undefined) request[SERIES] = this.dispatching;
    });
    on('undici:request:headers', ({ request, response }) => {
      const series = request[SERIES];
      if (series === undefined) return;
      request[SERIES] = undefined;
      if (response !== undefined && response.statusCode >= 500) series.errors++;
    });
    on('undici:request:error', ({ request }) => {
      const series = request[SERIES];
      if (series === undefined) return;
      request[SERIES] = undefined;
      series.errors++;
    });
  }
}

/** Whether a request is a health check: Kubernetes', by its user agent, or one for LANE_READY_PATH. */
function isProbe({ url, headers }: http.IncomingMessage, readyPath: string | undefined): boolean {
  return url === readyPath || headers['user-agent']?.startsWith('kube-probe/') === true;
}

/** Whether the client has closed or lost its connection, as opposed to the server destroying it. */
function hasLeft({ socket }: http.IncomingMessage): boolean {
  return socket.readableEnded || socket.errored !== null;
}

/** Whether a gRPC call that ended with this code has failed: a server failure by its convention for traces. */
export function isFailedGrpcCode(code: unknown): boolean {
  return httpStatusOfGrpc(Number(code)) >= 500;
}

function callClosed(this: Call): void {
  const status = this.res?.statusCode;
  if ((status === undefined || status >= 500) && this[SERIES] !== undefined) this[SERIES].errors++;
}

function streamAnswered(this: CallStream, headers: http2.IncomingHttpHeaders & http2.IncomingHttpStatusHeader): void {
  const series = this[SERIES];
  if (series === undefined) return;
  this[SERIES] = undefined;
  if (Number(headers[':status']) >= 500) series.errors++;
}

function streamEnded(this: CallStream): void {
  if (this[SERIES] !== undefined) this[SERIES].errors++;
}

/** Whether lane groups or existing instances know a tag. */
function isKnownTag({ options, tables }: TrafficSources, tag: Tag): boolean {
  if (tag === options.tag || tables.rules?.groupOf(tag) !== undefined) return true;
  for (const { index } of tables.all()) if (index.byTag.get(tag)?.reason === 'in-lane') return true;
  return false;
}
