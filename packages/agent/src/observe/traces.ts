/** LANE_TRACES: has @lane/traces export spans, and tells it where calls went. */
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { CallRoutes } from './routes.js';
import type { Runtime } from '../boot/runtime.js';

/** Loaded from beside the agent, else from the app's working folder. */
export function startTraces(runtime: Runtime, to: 'otlp' | 'zipkin'): void {
  const { log, options } = runtime;
  const traces = load();
  if (traces === undefined) {
    log.error(`LANE_TRACES=${to} needs the package @lane/traces: npm install @lane/traces. The app runs without traces.`);
    return;
  }
  const routes = new CallRoutes();
  runtime.routes = routes;
  const servers = new Set((options.nacosServer ?? '').split(',').map((server) => server.trim()));
  traces.startTraces({
    to,
    service: runtime.service,
    routeOf: (request) => routes.of(request),
    isOwn: (host, port) => servers.has(`${host}:${port}`),
    log,
  });
}

type Traces = typeof import('@lane/traces');

function load(): Traces | undefined {
  for (const from of [__filename, join(process.cwd(), 'index.js')]) {
    const require = createRequire(from);
    try {
      return require(require.resolve('@lane/traces')) as Traces;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'MODULE_NOT_FOUND') throw error;
    }
  }
  return undefined;
}
