/**
 * LANE_DOCTOR_TRACE: reports requests and calls to `lane doctor --trace`, as they were on the wire, and the context they were made in. Loaded only in
 * this mode, because it is expensive and gives each request of the command its own context.
 *
 * The request behind a call is found by evidence other than AsyncLocalStorage, if there is any: an id in what is sent, a function that
 * was handed over, or that only one request is in flight. The command judges; this file only reports.
 */
import diagnostics from 'node:diagnostics_channel';
import { appendFileSync } from 'node:fs';
import http from 'node:http';
import net from 'node:net';
import { join } from 'node:path';
import { threadId } from 'node:worker_threads';
import { TRACE_HEADER, TRACE_ID, type TraceCall, type TraceRecord, type TraceRequestId } from '@lane/core/agent';
import { createTagCodec, currentContext, isTag, type LaneContext } from '@lane/core/model';
import type { RunningAgent } from '../../boot/start.js';
import { deadSession } from '../../outbound/http2/dead-session.js';
import { isInternalHost } from '../../outbound/propagation.js';
import { onBuiltinLoaded } from '../../patching/builtin-hook.js';
import { onEachFile } from '../../patching/module-hook.js';
import { safely } from '../../patching/safely.js';
import { wrap } from '../../patching/wrap.js';
import { libraryFrame, ownFrame, stackHere } from './frames.js';
import { HandOvers } from './hand-overs.js';
import { resourceHere, watchResources } from './resource-origins.js';

/** Context and place of a call, recorded as it is made, because its headers may be written elsewhere. */
type Made = Pick<TraceCall, 'context' | 'alone' | 'handOver' | 'nearest' | 'resource' | 'calledAt'>;

/** A client's record of a call, with its headers as sent: name, value, name, value. */
type Sent = Pick<TraceCall, 'client' | 'method' | 'path'> & { readonly host: string; readonly rawHeaders: readonly string[]; readonly made: Made };

/** A separate party: it wraps again what the agent has wrapped. */
const PARTY = Symbol.for('lane.doctor-trace.v1');
/** Headers that may contain a tag by chance. */
const NOT_COPIED = new Set(['content-length', 'host', 'connection', 'date', 'user-agent']);

/** Starts reporting, to a file in `folder`. */
export function startTrace({ version, runtime }: RunningAgent, folder: string): void {
  const file = join(folder, `${process.pid}-${threadId}.jsonl`);
  // At once, because the reader may end the process.
  const tell = (record: TraceRecord): void => appendFileSync(file, `${JSON.stringify(record)}\n`);
  try {
    tell({ kind: 'agent', pid: process.pid, agent: version, node: process.version });
  } catch (error) {
    runtime.log.error(`LANE_DOCTOR_TRACE=${folder} can't be written to: ${(error as Error).message}. No calls are reported.`);
    return;
  }

  const requestOf = new WeakMap<LaneContext, TraceRequestId>();
  const tags = new Set<string>();
  let alone: TraceRequestId | null = null;
  const contextRequest = (): TraceRequestId | undefined => {
    const context = currentContext();
    return context === undefined ? undefined : requestOf.get(context);
  };

  const handOvers = new HandOvers(contextRequest);
  const watchFile = safely('trace of files', (loaded: { exports: unknown }, filename: unknown) => {
    if (typeof filename === 'string') handOvers.watch(loaded, filename);
  });
  onEachFile(watchFile);
  watchResources();

  // All requests of a lane share a context. Here each request of the command has its own, so that calls show theirs.
  wrap(
    runtime.requests,
    'contextOf',
    (original: (...args: unknown[]) => LaneContext | undefined) =>
      function contextOf(this: unknown, ...args: unknown[]): LaneContext | undefined {
        const given = Reflect.apply(original, this, args);
        const id = valueOf(args[1] as readonly string[], TRACE_HEADER);
        if (id === undefined || id.match(TRACE_ID)?.[0] !== id) return given;
        const context = Object.freeze({ ...(given ?? { tag: undefined }) });
        requestOf.set(context, id);
        alone = /-s\d+$/.test(id) ? id : null;
        if (context.tag !== undefined) tags.add(context.tag);
        tell({ kind: 'request', id, tag: context.tag ?? null });
        return context;
      },
    PARTY,
  );

  const codec = createTagCodec({
    formats: runtime.options.formats,
    formatsIn: runtime.options.formats,
    baggageKey: runtime.options.baggageKey,
    rules: () => runtime.tables.rules,
    service: () => runtime.own.name,
  });

  const made = (): Made => {
    const stack = stackHere();
    const context = contextRequest() ?? null;
    const handOver = handOvers.current;
    return {
      context,
      alone,
      handOver: handOver === undefined || handOver.request === context ? null : handOver,
      nearest: libraryFrame(stack),
      resource: context === null && handOver === undefined ? resourceHere() : null,
      calledAt: ownFrame(stack) ?? null,
    };
  };

  const sent = safely('trace of a call', ({ client, method, host, path, rawHeaders, made: by }: Sent) => {
    const name = host.replace(/:\d+$/, '').replace(/^\[(.*)\]$/, '$1');
    // The agent's own calls belong to no request.
    if (runtime.isRegistry(name, Number(/:(\d+)$/.exec(host)?.[1] ?? 80))) return;
    const ownHeaders = new Set(['baggage', ...codec.ownHeaders, TRACE_HEADER]);
    const copiedIn: string[] = [];
    for (let i = 0; i + 1 < rawHeaders.length; i += 2) {
      const header = (rawHeaders[i] as string).toLowerCase();
      if (!ownHeaders.has(header) && !NOT_COPIED.has(header) && hasTag(rawHeaders[i + 1] as string, tags)) copiedIn.push(header);
    }
    if (hasTag(path, tags)) copiedIn.push('(url)');
    const tag = codec.readRaw(rawHeaders);
    const isListed = Array.isArray(runtime.options.propagateTo) && runtime.propagation.allows(name);
    tell({
      kind: 'call',
      client,
      method,
      host,
      path,
      tag: isTag(tag) ? tag : null,
      isInside: isInternalHost(name) || isListed || runtime.tables.hasHost(name),
      copiedIn,
      ids: [...new Set(`${path} ${rawHeaders.join(' ')}`.match(TRACE_ID) ?? [])],
      ...by,
    });
  });

  watchHttp(made, sent);
  watchUndici(made, sent);
  onBuiltinLoaded('http2', () => watchHttp2(made, sent));
  watchListening((port, isTls) => tell({ kind: 'listening', port, isTls }));
}

function hasTag(text: string, tags: ReadonlySet<string>): boolean {
  for (const tag of tags) if (text.includes(tag)) return true;
  return false;
}

function valueOf(rawHeaders: readonly string[], name: string): string | undefined {
  for (let i = 0; i + 1 < rawHeaders.length; i += 2) if (rawHeaders[i]?.toLowerCase() === name) return rawHeaders[i + 1];
  return undefined;
}

/** Header lines as on the wire. */
function linesToRaw(text: string): string[] {
  const raw: string[] = [];
  for (const line of text.split('\r\n').slice(1)) {
    const colon = line.indexOf(':');
    if (colon > 0) raw.push(line.slice(0, colon), line.slice(colon + 1).trim());
  }
  return raw;
}

function watchHttp(made: () => Made, sent: (call: Sent) => void): void {
  interface Request {
    readonly _header: string;
    readonly method: string;
    readonly path: string;
    readonly host: string;
  }
  const by = new WeakMap<object, Made>();
  const create = safely('trace of node:http', (request: object) => void (by.has(request) || by.set(request, made())));
  const start = safely('trace of node:http', (message: unknown) => {
    const { request } = message as { request: Request };
    const rawHeaders = linesToRaw(request._header);
    sent({
      client: 'node:http',
      method: request.method,
      path: request.path,
      host: valueOf(rawHeaders, 'host') ?? request.host,
      rawHeaders,
      made: by.get(request) ?? made(),
    });
  });
  // Those with Node's own agent; Node 20 reports the others only when they are sent.
  wrap(
    http.Agent.prototype,
    'addRequest',
    (original) =>
      function addRequest(this: unknown, ...args: unknown[]): unknown {
        create(args[0] as object);
        return Reflect.apply(original, this, args);
      },
    PARTY,
  );
  diagnostics.subscribe('http.client.request.created', (message) => create((message as { request: object }).request));
  diagnostics.subscribe('http.client.request.start', start);
}

function watchUndici(made: () => Made, sent: (call: Sent) => void): void {
  interface Request {
    readonly origin: string;
    readonly method: string;
    readonly path: string;
  }
  const by = new WeakMap<object, Made>();
  const create = safely('trace of undici', (message: unknown) => void by.set((message as { request: object }).request, made()));
  const send = safely('trace of undici', (message: unknown) => {
    const { request, headers } = message as { request: Request; headers: string };
    const rawHeaders = linesToRaw(headers);
    const { method, path, origin } = request;
    sent({ client: 'undici', method, path, host: valueOf(rawHeaders, 'host') ?? new URL(origin).host, rawHeaders, made: by.get(request) ?? made() });
  });
  diagnostics.subscribe('undici:request:create', create);
  diagnostics.subscribe('undici:client:sendHeaders', send);
}

function watchHttp2(made: () => Made, sent: (call: Sent) => void): void {
  interface Stream {
    readonly pending: boolean;
    readonly sentHeaders?: Readonly<Record<string, string | string[] | undefined>>;
    once(event: string, listener: () => void): void;
  }
  const tellOf = safely('trace of node:http2', (stream: Stream, by: Made) => {
    const headers = stream.sentHeaders ?? {};
    const rawHeaders = Object.entries(headers).flatMap(([name, value]) => [value ?? []].flat().flatMap((one) => [name, one]));
    const text = (name: string): string => String(headers[name] ?? '');
    sent({ client: 'node:http2', method: text(':method') || 'GET', path: text(':path'), host: text(':authority'), rawHeaders, made: by });
  });
  const dummy = deadSession('http://lane');
  wrap(
    Object.getPrototypeOf(dummy) as object,
    'request',
    (original: (...args: unknown[]) => Stream) =>
      function request(this: unknown, ...args: unknown[]): Stream {
        const by = made();
        const stream = Reflect.apply(original, this, args);
        // On a connected session its headers are already sent; 'ready' has passed.
        if (stream.pending) stream.once('ready', () => tellOf(stream, by));
        else tellOf(stream, by);
        return stream;
      },
    PARTY,
  );
  dummy.destroy();
}

function watchListening(tell: (port: number, isTls: boolean) => void): void {
  const tellOf = safely('trace of servers', (server: net.Server) => {
    const address = server.address();
    // https inherits from tls.
    const isTls = 'setSecureContext' in server;
    if (address !== null && typeof address === 'object' && (server instanceof http.Server || isTls)) tell(address.port, isTls);
  });
  wrap(
    net.Server.prototype,
    'listen',
    (original) =>
      function listen(this: unknown, ...args: unknown[]): unknown {
        const server = this as net.Server;
        server.once('listening', () => tellOf(server));
        return Reflect.apply(original, this, args);
      },
    PARTY,
  );
}
