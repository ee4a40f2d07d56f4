import type http from 'node:http';
import type { Redirect, SettledVerdict, Verdict } from '@lane/core/model';
import type { TrafficRecorder } from '../../observe/traffic/recorder.js';
import { safely } from '../../patching/safely.js';
import { settled, unavailableError, type Outbound } from '../outbound.js';
import { LANE, rememberLane, type Request } from './request-lane.js';

type RequestOptions = { host?: string; port?: number | string; socketPath?: string; servername?: string };

/** Two more parameters, port and local address, are from Node 0.10; who passes them still gets them through. */
export type AddRequest = (this: http.Agent, request: Request, options: RequestOptions, port?: unknown, localAddress?: unknown) => void;

/** An agent is asked for a socket to the right instance. */
export function addRequestToRightInstance(original: AddRequest, { router, observers }: Outbound): AddRequest {
  const judge = safely('http-client destination', (request: Request, options: RequestOptions, waited: boolean): Verdict =>
    router.judge(options.host as string, Number(options.port), request[LANE]?.tag, waited),
  );
  const count = safely('http-client traffic', (traffic: TrafficRecorder, request: Request, options: RequestOptions, verdict: SettledVerdict) =>
    traffic.follow(request, options?.host ?? 'localhost', Number(options?.port), request[LANE]?.tag, verdict),
  );
  const readdress = safely('http-client address', addressed);

  function proceed(
    agent: http.Agent,
    request: Request,
    options: RequestOptions,
    port: unknown,
    localAddress: unknown,
    verdict: SettledVerdict,
  ): void {
    if (observers.traffic !== undefined) count(observers.traffic, request, options, verdict);
    if (verdict.kind === 'unavailable') {
      request.onSocket(null, unavailableError(verdict));
      return;
    }
    observers.verdicts?.note(request, verdict);
    const changed = verdict.kind === 'redirect' ? readdress(request, options, verdict) : undefined;
    original.call(agent, request, changed ?? options, port, localAddress);
  }

  // On the request path, change with care: without a lane and without a known service this is two reads.
  return function addRequest(this: http.Agent, request: Request, options: RequestOptions, port?: unknown, localAddress?: unknown): void {
    rememberLane(request);
    if (router.isEmpty || typeof options !== 'object' || options === null || typeof options.host !== 'string' || options.socketPath) {
      if (observers.traffic !== undefined) count(observers.traffic, request, options, settled(undefined));
      original.call(this, request, options, port, localAddress);
      return;
    }
    const verdict = judge(request, options, false);
    if (verdict?.kind === 'wait') {
      // A service called by name for the first time: the request waits for the registry, as it would for DNS.
      const resume = (): void => proceed(this, request, options, port, localAddress, settled(judge(request, options, true)));
      void verdict.until.then(resume, resume);
      return;
    }
    proceed(this, request, options, port, localAddress, settled(verdict));
  };
}

/** The options for another address. Called by name, the name stays in the Host header and is what TLS is verified against. */
function addressed(request: Request, options: RequestOptions, to: Redirect): RequestOptions {
  const { ip, port } = to.instance;
  if (!to.byName && request.getHeader('host') === `${options.host}:${options.port}` && !request.headersSent) {
    request.setHeader('Host', `${ip.includes(':') ? `[${ip}]` : ip}:${port}`);
  }
  const changed: RequestOptions = { ...options, host: ip, port };
  // With array headers there is no Host header yet, from which Node would take the name that TLS is verified against.
  if (to.byName && options.servername === undefined && request.getHeader('host') === undefined) changed.servername = options.host as string;
  return changed;
}
