import type http from 'node:http';
import { LaneUnavailableError } from '@lane/core/model';
import type { Destination, Redirected } from '../destination.js';
import type { Runtime } from '../../boot/runtime.js';
import { safely } from '../../patching/safely.js';
import type { TrafficRecorder } from '../../observe/traffic/recorder.js';
import { LANE, rememberLane, type Request } from './request-lane.js';

type RequestOptions = { host?: string; port?: number | string; socketPath?: string; servername?: string };

/** Two more parameters, port and local address, are from Node 0.10; who passes them still gets them through. */
type AddRequest = (this: http.Agent, request: Request, options: RequestOptions, port?: unknown, localAddress?: unknown) => void;

/** An agent is asked for a socket to the right instance. */
export function addRequestToRightInstance(original: AddRequest, runtime: Runtime): AddRequest {
  const { destinations } = runtime;
  const choose = safely('http-client destination', (request: Request, options: RequestOptions, retry: boolean): Destination =>
    destinations.choose(options.host as string, Number(options.port), request[LANE]?.tag, retry),
  );
  const explain = safely('http-client route', (request: Request, options: RequestOptions, destination: Destination) =>
    destinations.explain(options.host as string, Number(options.port), request[LANE]?.tag, destination),
  );
  const count = safely('http-client traffic', (traffic: TrafficRecorder, request: Request, options: RequestOptions, destination: Destination) =>
    traffic.follow(request, options?.host ?? 'localhost', Number(options?.port), request[LANE]?.tag, destination),
  );
  const readdress = safely('http-client address', addressed);

  function proceed(
    agent: http.Agent,
    request: Request,
    options: RequestOptions,
    port: unknown,
    localAddress: unknown,
    destination: Exclude<Destination, Promise<void>>,
  ): void {
    if (runtime.traffic !== undefined) count(runtime.traffic, request, options, destination);
    if (destination instanceof LaneUnavailableError) {
      request.onSocket(null, destination);
      return;
    }
    runtime.routes?.note(request, explain(request, options, destination));
    const changed = destination === undefined ? undefined : readdress(request, options, destination);
    original.call(agent, request, changed ?? options, port, localAddress);
  }

  // On the request path, change with care: without a lane and without a known service this is two reads.
  return function addRequest(this: http.Agent, request: Request, options: RequestOptions, port?: unknown, localAddress?: unknown): void {
    rememberLane(request);
    if (destinations.isEmpty || typeof options !== 'object' || options === null || typeof options.host !== 'string' || options.socketPath) {
      if (runtime.traffic !== undefined) count(runtime.traffic, request, options, undefined);
      original.call(this, request, options, port, localAddress);
      return;
    }
    const destination = choose(request, options, false);
    if (destination instanceof Promise) {
      // A service called by name for the first time: the request waits for the registry, as it would for DNS.
      const resume = (): void =>
        proceed(this, request, options, port, localAddress, choose(request, options, true) as Exclude<Destination, Promise<void>>);
      void destination.then(resume, resume);
      return;
    }
    proceed(this, request, options, port, localAddress, destination);
  };
}

/** The options for another address. Called by name, the name stays in the Host header and is what TLS is verified against. */
function addressed(request: Request, options: RequestOptions, to: Redirected): RequestOptions {
  const { ip, port } = to.instance;
  if (!to.byName && request.getHeader('host') === `${options.host}:${options.port}` && !request.headersSent) {
    request.setHeader('Host', `${ip.includes(':') ? `[${ip}]` : ip}:${port}`);
  }
  const changed: RequestOptions = { ...options, host: ip, port };
  // With array headers there is no Host header yet, from which Node would take the name that TLS is verified against.
  if (to.byName && options.servername === undefined && request.getHeader('host') === undefined) changed.servername = options.host as string;
  return changed;
}
