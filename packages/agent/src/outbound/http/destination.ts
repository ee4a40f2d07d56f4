import http from 'node:http';
import type { LaneUnavailableError, Redirect, SettledVerdict, Verdict, Wait } from '@lane/core/model';
import type { TrafficRecorder } from '../../observe/traffic/recorder.js';
import { copyWith } from '../../patching/copy-with.js';
import { safely } from '../../patching/safely.js';
import type { Attempt } from '../connecting/connecting.js';
import { Learning, ROUTE, type Route } from '../connecting/routed-sockets.js';
import { settled, unavailableError, type Outbound } from '../outbound.js';
import { keepPoolsOfLanesApart } from './pools-while-learning.js';
import { LANE, rememberLane, type Request } from './request-lane.js';

type RequestOptions = { host?: string; port?: number | string; socketPath?: string; servername?: string; [ROUTE]?: Route };

/** Two more parameters, port and local address, are from Node 0.10, and are still passed through. */
export type AddRequest = (this: http.Agent, request: Request, options: RequestOptions, port?: unknown, localAddress?: unknown) => void;

/** Asks an agent for a socket to the right instance. `last`: what the original finally calls, which may copy options, see {@link copiesOptions}. */
export function addRequestToRightInstance(original: AddRequest, last: AddRequest, { router, connecting, observers }: Outbound): AddRequest {
  const judge = safely('http-client destination', (request: Request, options: RequestOptions, waited: boolean): Verdict =>
    router.judge(options.host as string, Number(options.port), request[LANE]?.tag, waited),
  );
  const count = safely('http-client traffic', (traffic: TrafficRecorder, request: Request, options: RequestOptions, verdict: SettledVerdict) =>
    traffic.follow(request, options?.host ?? 'localhost', Number(options?.port), request[LANE]?.tag, verdict),
  );
  let isCopying: boolean | undefined;
  const readdress = safely('http-client address', (request: Request, options: RequestOptions, to: Redirect): RequestOptions => {
    // Read once, and not at start: Node provides the source of its functions only after a while.
    isCopying ??= copiesOptions(last);
    const changed = isCopying && Object.isExtensible(options) ? options : { ...options };
    changed[ROUTE] = connecting.begin(to);
    address(request, changed, to);
    return changed;
  });

  function observe(request: Request, options: RequestOptions, verdict: SettledVerdict): void {
    if (observers.traffic !== undefined) count(observers.traffic, request, options, verdict);
    if (verdict.kind !== 'unavailable') observers.verdicts?.note(request, verdict);
  }

  function proceed(
    agent: http.Agent,
    request: Request,
    options: RequestOptions,
    port: unknown,
    localAddress: unknown,
    verdict: SettledVerdict,
  ): void {
    observe(request, options, verdict);
    if (verdict.kind === 'unavailable') {
      request.onSocket(null, unavailableError(verdict));
      return;
    }
    if (verdict.kind !== 'redirect') {
      original.call(agent, request, options, port, localAddress);
      return;
    }
    const { host, port: ownPort, servername, [ROUTE]: route } = options;
    const changed = readdress(request, options, verdict);
    try {
      original.call(agent, request, changed ?? options, port, localAddress);
    } finally {
      // The caller's options stay unchanged.
      if (changed === options) {
        options.host = host as string;
        options.port = ownPort as string;
        if (options.servername !== servername) options.servername = servername as string;
        options[ROUTE] = route as Route;
      }
    }
  }

  /** The options for a socket whose destination is not known yet. */
  const learning = safely('http-client wait', (request: Request, options: RequestOptions, { until }: Wait): RequestOptions => {
    keepPoolsOfLanesApart();
    const settle = (): Attempt | LaneUnavailableError | undefined => {
      const verdict = settled(judge(request, options, true));
      observe(request, options, verdict);
      if (verdict.kind === 'unavailable') return unavailableError(verdict);
      return verdict.kind === 'redirect' ? connecting.begin(verdict) : undefined;
    };
    return copyWith(options, ROUTE, new Learning(options.host as string, Number(options.port), request[LANE]?.tag, until, settle));
  });

  // On the request path, change with care: without a lane and without a known service this is two reads.
  return function addRequest(this: http.Agent, request: Request, options: RequestOptions, port?: unknown, localAddress?: unknown): void {
    rememberLane(request);
    if (router.isEmpty || typeof options !== 'object' || options === null || typeof options.host !== 'string' || options.socketPath) {
      if (observers.traffic !== undefined) count(observers.traffic, request, options, settled(undefined));
      original.call(this, request, options, port, localAddress);
      return;
    }
    const verdict = judge(request, options, false);
    if (verdict?.kind !== 'wait') {
      proceed(this, request, options, port, localAddress, settled(verdict));
      return;
    }
    // A service called by name for the first time: the request's socket waits for the registry, as it would for DNS.
    const waiting = makesSocketsAsNode(this) ? learning(request, options, verdict) : undefined;
    if (waiting !== undefined) {
      original.call(this, request, waiting, port, localAddress);
      return;
    }
    const resume = (): void => {
      try {
        proceed(this, request, options, port, localAddress, settled(judge(request, options, true)));
      } catch (error) {
        // What the caller would have caught has nobody left to catch it.
        request.onSocket(null, error as Error);
      }
    };
    void verdict.until.then(resume, resume);
  };
}

/** Whether the agent's `createConnection` creates its sockets synchronously: others may lead to a proxy, which needs an address. */
function makesSocketsAsNode(agent: http.Agent): boolean {
  return (agent as { createSocket?: unknown }).createSocket === (http.Agent.prototype as { createSocket?: unknown }).createSocket;
}

/**
 * Whether options can be lent to an `addRequest`. Node's own copies them first, as its source shows, and a copy costs
 * as much as the rest of a redirected call. Anybody else's may keep its arguments.
 */
function copiesOptions(addRequest: AddRequest): boolean {
  return /options = \{ __proto__: null, \.\.\.options, \.\.\.this\.options \};/.test(Function.prototype.toString.call(addRequest));
}

/** Puts another address into options. Called by name, the name stays in the Host header and is what TLS is verified against. */
function address(request: Request, options: RequestOptions, to: Redirect): void {
  const { ip, port } = to.instance;
  const { host } = options;
  if (!to.byName && request.getHeader('host') === `${host}:${options.port}` && !request.headersSent) {
    request.setHeader('Host', `${ip.includes(':') ? `[${ip}]` : ip}:${port}`);
  }
  options.host = ip;
  options.port = port;
  // With array headers there is no Host header yet, from which Node would take the name that TLS is verified against.
  if (to.byName && options.servername === undefined && request.getHeader('host') === undefined) options.servername = host as string;
}
