/** The servers of the injector: the webhook over HTTPS, health and metrics over plain HTTP. */
import { once } from 'node:events';
import { createServer as createHttpServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { createServer as createHttpsServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { Counter, Gauge, Histogram, Registry } from 'prom-client';
import { BodyReader, type Log } from '@lane/core/model';
import { review, type AskedBy } from './admission.js';
import type { InjectOptions } from './inject-pod.js';

/** The certificate to serve. */
export interface ServingCertificate {
  /** PEM: the certificate and its intermediates. */
  readonly certificate: string;
  readonly key: string;
  /** When it expires, in milliseconds since 1970. */
  readonly notAfter: number;
}

/** Options of {@link startInjectorServer}. */
export interface InjectorServerOptions {
  readonly host: string;
  /** 0: any free one. */
  readonly port: number;
  /** Port of /healthz, /readyz and /metrics. */
  readonly metricsPort: number;
  readonly inject: InjectOptions;
  readonly certificate: ServingCertificate;
  readonly log: Log;
}

/** A running injector. */
export interface InjectorServer {
  readonly port: number;
  readonly metricsPort: number;
  /** Serves new connections with another certificate; open ones stay. */
  setCertificate(certificate: ServingCertificate): void;
  /** Stops being ready, keeps serving until callers have had time to notice, answers open requests, and ends. */
  close(lingerMs?: number): Promise<void>;
}

/** A pod is at most 1.5 MB in etcd; a review holds it twice at most. */
const MAX_BODY_BYTES = 4 * 1024 * 1024;
/** For all reviews being read together. */
const MAX_READ_BYTES = 8 * MAX_BODY_BYTES;
/** An API server sends a review at once, and waits at most 30 s for the answer. */
const RECEIVE_MS = 10_000;
/** There are few API servers; other clients that reach the port must not fill the memory. */
const MAX_CONNECTIONS = 500;
/** Longer than the API server keeps idle connections, so that it never writes into one that is closing. */
const KEEP_ALIVE_MS = 120_000;
const PATHS: Readonly<Record<string, AskedBy>> = { '/inject/namespace': 'namespace', '/inject/pod': 'pod' };

/** Starts both servers. */
export async function startInjectorServer(options: InjectorServerOptions): Promise<InjectorServer> {
  const metrics = createMetrics();
  let isClosing = false;
  const unanswered = new Set<ServerResponse>();
  const bodies = new BodyReader({ ofOne: MAX_BODY_BYTES, ofAll: MAX_READ_BYTES });
  const setExpiry = ({ notAfter }: ServingCertificate): void => metrics.expiry.set(notAfter / 1000);
  setExpiry(options.certificate);
  const webhook = createHttpsServer(tlsOf(options.certificate), (request, response) => {
    unanswered.add(response);
    response.once('close', () => unanswered.delete(response));
    answer(request, response).catch((error: unknown) => {
      metrics.admissions.inc({ result: 'error' });
      options.log.error(`an admission review could not be answered: ${(error as Error).message}`);
      if (!response.headersSent) response.writeHead(500, { 'content-type': 'text/plain' });
      response.end('the review could not be answered\n');
    });
  });
  webhook.keepAliveTimeout = KEEP_ALIVE_MS;
  const status = createHttpServer((request, response) => void tell(request, response));
  for (const server of [webhook, status]) {
    server.headersTimeout = RECEIVE_MS;
    server.requestTimeout = RECEIVE_MS;
    server.maxConnections = MAX_CONNECTIONS;
  }
  // The caller reports a port in use; no server stays open then.
  await listen(webhook, options.port, options.host);
  try {
    await listen(status, options.metricsPort, options.host);
  } catch (error) {
    webhook.close();
    throw error;
  }

  async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const askedBy = PATHS[(request.url ?? '').split('?')[0] as string];
    if (askedBy === undefined || request.method !== 'POST') {
      response.writeHead(404, { 'content-type': 'text/plain' }).end(`POST ${Object.keys(PATHS).join(' or ')}\n`);
      return;
    }
    const end = metrics.duration.startTimer();
    const body = await bodies.read(request);
    const reviewed = body === undefined ? undefined : review(parse(body), askedBy, options.inject);
    if (reviewed === undefined) {
      metrics.admissions.inc({ result: 'invalid' });
      response.writeHead(400, { 'content-type': 'text/plain' }).end('no AdmissionReview of admission.k8s.io/v1\n');
      return;
    }
    response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(reviewed.answer));
    metrics.admissions.inc({ result: reviewed.injection?.outcome ?? 'not-a-pod' });
    end();
    if (reviewed.injection !== undefined) options.log.debug(reviewed.injection.status);
  }

  async function tell(request: IncomingMessage, response: ServerResponse): Promise<void> {
    if (request.url === '/readyz' && isClosing) response.writeHead(503, { 'content-type': 'text/plain' }).end('closing\n');
    else if (request.url === '/healthz' || request.url === '/readyz') response.writeHead(200, { 'content-type': 'text/plain' }).end('ok\n');
    else if (request.url === '/metrics')
      response.writeHead(200, { 'content-type': metrics.registry.contentType }).end(await metrics.registry.metrics());
    else response.writeHead(404, { 'content-type': 'text/plain' }).end('/healthz, /readyz, /metrics\n');
  }

  return {
    port: (webhook.address() as AddressInfo).port,
    metricsPort: (status.address() as AddressInfo).port,
    setCertificate(certificate) {
      webhook.setSecureContext(tlsOf(certificate));
      setExpiry(certificate);
    },
    async close(lingerMs = 0) {
      isClosing = true;
      if (lingerMs > 0) await new Promise((resolve) => setTimeout(resolve, lingerMs));
      const closed = [webhook, status].map((server) => {
        const ended = once(server, 'close');
        server.close();
        return ended;
      });
      await Promise.all([...unanswered].map((response) => new Promise((resolve) => response.once('close', resolve))));
      // Node does not count connections that were opened but never used as idle.
      for (const server of [webhook, status]) server.closeAllConnections();
      await Promise.all(closed);
    },
  };
}

const tlsOf = ({ certificate, key }: ServingCertificate): { cert: string; key: string; minVersion: 'TLSv1.2' } => ({
  cert: certificate,
  key,
  minVersion: 'TLSv1.2',
});

async function listen(server: Server, port: number, host: string): Promise<void> {
  server.listen(port, host);
  await once(server, 'listening');
}

function parse(body: string): unknown {
  try {
    return JSON.parse(body);
  } catch {
    return undefined;
  }
}

interface InjectorMetrics {
  readonly registry: Registry;
  readonly admissions: Counter<'result'>;
  readonly duration: Histogram;
  readonly expiry: Gauge;
}

function createMetrics(): InjectorMetrics {
  const registers = [new Registry()];
  return {
    registry: registers[0] as Registry,
    admissions: new Counter({
      name: 'lane_injector_admissions_total',
      help: 'Reviews answered, by what became of the pod',
      labelNames: ['result'],
      registers,
    }),
    duration: new Histogram({
      name: 'lane_injector_admission_duration_seconds',
      help: 'From the first byte of a review to its answer',
      buckets: [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1],
      registers,
    }),
    expiry: new Gauge({ name: 'lane_injector_certificate_expiry_timestamp_seconds', help: 'When the serving certificate ends', registers }),
  };
}
