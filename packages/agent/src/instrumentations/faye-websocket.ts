/**
 * faye-websocket as a client, and with it sockjs-client over WebSockets: it writes its handshake to its own socket, past node:http.
 *
 * The lane goes into the client's headers. The destination is chosen as its socket connects, when the client
 * is created. Behind a proxy nothing is chosen, as everywhere.
 */
import type { EventEmitter } from 'node:events';
import type net from 'node:net';
import { currentContext, type LaneUnavailableError, type Redirect, type SettledVerdict } from '@lane/core/model';
import { carryLane } from '../outbound/carry-lane.js';
import { tellHandshake } from '../outbound/connecting/answers.js';
import type { Attempt } from '../outbound/connecting/connecting.js';
import { Learning, lendRoute, type Route } from '../outbound/connecting/routed-sockets.js';
import { copyHeaders } from '../outbound/header-forms.js';
import { settled, unavailableError, type Outbound } from '../outbound/outbound.js';
import type { LoadedFile } from '../patching/instrumentation.js';
import { safely } from '../patching/safely.js';
import { wrap } from '../patching/wrap.js';

interface ClientOptions {
  readonly headers?: unknown;
  readonly proxy?: { readonly origin?: unknown };
}
/** As much of what it makes as is looked at. */
interface WebSocketClient {
  readonly _driver: EventEmitter & { readonly statusCode?: unknown };
  readonly _stream: net.Socket;
}
type Client = new (url: string, protocols?: unknown, options?: ClientOptions) => object;

/** A client's arguments, and where its socket goes. */
interface Handshake {
  readonly url: string;
  readonly options: ClientOptions;
  readonly route: Route | undefined;
}

export function patch({ holder, runtime }: LoadedFile): void {
  const prepare = safely('faye-websocket', (url: string, options: ClientOptions = {}) => handshakeOf(url, options, runtime));
  const { connecting } = runtime;
  const hearHandshake = safely('faye-websocket answers', ({ _driver: driver, _stream: socket }: WebSocketClient) => {
    let isAnswered = false;
    const tell = safely('faye-websocket answers', () => {
      if (isAnswered) return;
      isAnswered = true;
      tellHandshake(connecting, socket, driver.statusCode);
    });
    // It fails for what was answered, too.
    for (const event of ['open', 'error']) driver.once(event, tell);
  });
  wrap(holder, 'exports', (original: Client) => {
    return function Client(url: string, protocols?: unknown, options?: ClientOptions): object {
      const prepared = prepare(url, options);
      const args = [prepared?.url ?? url, protocols, prepared?.options ?? options];
      const target = new.target ?? original;
      const made = lendRoute(prepared?.route, () => Reflect.construct(original, args, target) as WebSocketClient);
      if (connecting.judgesAnswers && options?.proxy?.origin === undefined) hearHandshake(made);
      return made;
    };
  });
}

/** A name that leads nowhere (RFC 6761, 6.4), for a call that nobody may serve. */
const NOWHERE = 'unavailable.invalid';

function handshakeOf(url: string, options: ClientOptions, outbound: Outbound): Handshake | undefined {
  // The client itself reports what is wrong with it.
  if (!URL.canParse(url)) return undefined;
  const { router, connecting, observers } = outbound;
  const context = currentContext();
  const called = new URL(url);
  const headers = copyHeaders(options.headers);
  carryLane(context, outbound, headers, called.hostname);
  const withLane = { ...options, headers: headers.toHeaders() };
  if (options.proxy?.origin !== undefined || router.isEmpty) return { url, options: withLane, route: undefined };

  const host = called.hostname.replace(/^\[|\]$/g, '');
  const port = Number(called.port || (/^(wss|https):$/.test(called.protocol) ? 443 : 80));
  const tag = context?.tag;
  const judge = (waited: boolean): ReturnType<typeof router.judge> => router.judge(host, port, tag, waited);
  const goalOf = (verdict: SettledVerdict): Attempt | LaneUnavailableError | undefined => {
    observers.traffic?.call(host, port, tag, verdict);
    if (verdict.kind === 'unavailable') return unavailableError(verdict);
    return verdict.kind === 'redirect' ? connecting.begin(verdict) : undefined;
  };
  const verdict = judge(false);
  const until = verdict.kind === 'wait' ? verdict.until : Promise.resolve();
  const learning = (at: string, settle: Learning['settle']): Learning => new Learning(at, port, tag, until, settle);
  if (verdict.kind === 'wait') return { url, options: withLane, route: learning(host, () => goalOf(settled(judge(true)))) };
  const goal = goalOf(verdict);
  if (goal === undefined) return { url, options: withLane, route: undefined };
  // A name stays in Host and for TLS; an address becomes that of the instance.
  if ((verdict as Redirect).byName) return { url, options: withLane, route: learning(host, () => goal) };
  if (verdict.kind !== 'redirect') {
    called.hostname = NOWHERE;
    return { url: called.href, options: withLane, route: learning(NOWHERE, () => goal) };
  }
  const { ip } = verdict.instance;
  called.hostname = ip.includes(':') ? `[${ip}]` : ip;
  called.port = String(verdict.instance.port);
  return { url: called.href, options: withLane, route: goal as Attempt };
}
