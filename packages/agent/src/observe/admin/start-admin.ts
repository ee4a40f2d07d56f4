/** LANE_ADMIN_PORT: counts traffic and serves it. Loaded only with that option. */
import cluster from 'node:cluster';
import type http from 'node:http';
import { isMainThread } from 'node:worker_threads';
import { ADMIN_METADATA_KEY, type TrafficReport } from '@lane/core/agent';
import { runInLane } from '@lane/core/model';
import type { RunningAgent } from '../../boot/start.js';
import { safely } from '../../patching/safely.js';
import { TrafficRecorder } from '../traffic/recorder.js';
import { answerJson, answerText, isLoopback, listenForAdmins, type Listening, type Routes } from './admin-server.js';
import { DEFAULT_DRAIN_LIMITS, Drain } from './drain.js';
import { metricsText } from './metrics.js';
import { PROMETHEUS_CONTENT_TYPE } from './prometheus-text.js';
import { statusReport } from './status.js';

const DEFAULT_DECISIONS = 100;
const REPORT_MS = 1_000;
const WILDCARDS: ReadonlySet<string> = new Set(['0.0.0.0', '::', '[::]']);

/** Listens, and has instances announce the port. If that fails, the app still starts. */
export function startAdmin(agent: RunningAgent, port: number): void {
  const { runtime } = agent;
  // One port per process: worker threads rarely have servers.
  if (!isMainThread) return;
  const traffic = (runtime.observers.traffic ??= new TrafficRecorder(runtime));
  const host = runtime.options.adminHost;
  let announced: number | undefined;
  let pending: Promise<void> | undefined = runInLane(undefined, () => listen(agent, host, port, routesOf(agent, traffic))).then((listening) => {
    pending = undefined;
    announced = listening?.port;
  });
  runtime.announcement = {
    get pending() {
      return pending;
    },
    metadataFor(ip) {
      if (announced === undefined) return {};
      const shown = WILDCARDS.has(host) ? ip : host;
      return { [ADMIN_METADATA_KEY]: `${shown.includes(':') && !shown.startsWith('[') ? `[${shown}]` : shown}:${announced}` };
    },
  };
}

/** Never rejects. */
async function listen({ runtime: { log } }: RunningAgent, host: string, port: number, routes: Routes): Promise<Listening | undefined> {
  try {
    const listening = await listenForAdmins(host, port, routes);
    log.info('the admin port is open', { host, port: listening.port });
    return listening;
  } catch (error) {
    const { code = String(error) } = error as NodeJS.ErrnoException;
    if (code === 'EADDRINUSE' && cluster.isWorker && port !== 0) {
      log.warn(
        `LANE_ADMIN_PORT=${port} is taken by another process of this cluster: this worker takes a free port. LANE_ADMIN_PORT=0 gives each its own, announced in the registry`,
      );
      return listen({ runtime: { log } } as RunningAgent, host, 0, routes);
    }
    log.error(
      code === 'EADDRINUSE'
        ? `LANE_ADMIN_PORT=${port} of ${host} is already in use: choose another, or 0 for a free one. The app runs without an admin port.`
        : `LANE_ADMIN_PORT=${port} of LANE_ADMIN_HOST=${host} can't be listened on (${code}). The app runs without its admin port.`,
    );
    return undefined;
  }
}

function routesOf(agent: RunningAgent, traffic: TrafficRecorder): Routes {
  const { runtime } = agent;
  const status = (): ReturnType<typeof statusReport> => statusReport(agent, runtime.drain?.report ?? null);
  return {
    'GET /metrics': (_, response) => answerText(response, 200, metricsText(status(), traffic), PROMETHEUS_CONTENT_TYPE),
    'GET /status': (_, response) => answerJson(response, status()),
    'GET /traffic': (_, response) => answerJson(response, trafficReport(agent, traffic)),
    'GET /decisions': (_, response, query) =>
      answerJson(response, traffic.decisions.latest(countIn(query, 'limit') ?? DEFAULT_DECISIONS, runtime.own.name)),
    'POST /drain': (request, response, query) => {
      if (!isFromHere(request)) {
        answerText(response, 403, 'A drain is asked for on the machine itself.');
        return;
      }
      const isRepeated = runtime.drain !== undefined;
      const drain = (runtime.drain ??= new Drain(runtime, {
        settleSeconds: countIn(query, 'settleSeconds') ?? DEFAULT_DRAIN_LIMITS.settleSeconds,
        deadlineSeconds: countIn(query, 'deadlineSeconds') ?? DEFAULT_DRAIN_LIMITS.deadlineSeconds,
      }));
      tellDrain(drain, isRepeated, response);
    },
  };
}

/** A line a second, the last one with its end. */
function tellDrain(drain: Drain, isRepeated: boolean, response: http.ServerResponse): void {
  response.writeHead(200, { 'content-type': 'application/x-ndjson', 'cache-control': 'no-store' });
  const line = (): string => `${JSON.stringify(isRepeated ? { ...drain.report, isRepeated } : drain.report)}\n`;
  const tell = safely('LANE_ADMIN_PORT drain', (): boolean => response.write(line()));
  tell();
  const timer = setInterval(tell, REPORT_MS);
  response.once('close', () => clearInterval(timer));
  const end = safely('LANE_ADMIN_PORT drain', () => {
    clearInterval(timer);
    if (!response.destroyed) response.end(line());
  });
  void drain.ended.then(end, end);
}

function trafficReport({ runtime }: RunningAgent, { counters, since, inFlight }: TrafficRecorder): TrafficReport {
  return {
    since: since.toISOString(),
    service: runtime.own.name,
    tag: runtime.options.tag ?? null,
    inFlight,
    requests: [...counters.requestFigures()],
    durations: [...counters.durationFigures()],
    calls: [...counters.callFigures()],
    overflow: { ...counters.overflow },
  };
}

function countIn(query: URLSearchParams, name: string): number | undefined {
  const text = query.get(name);
  return text !== null && /^\d{1,6}(\.\d{1,3})?$/.test(text) ? Number(text) : undefined;
}

/** From this machine: over loopback, or over the address that it listens on. */
function isFromHere({ socket }: http.IncomingMessage): boolean {
  return isLoopback(socket.remoteAddress) || (socket.remoteAddress !== undefined && socket.remoteAddress === socket.localAddress);
}
