/** LANE_TRACES: lets @lane/traces export spans, and tells it where calls went. */
import { createRequire } from 'node:module';
import { join } from 'node:path';
import type { AgentOptions } from '@lane/core/agent';
import type { AgentLog } from '../boot/log.js';
import type { OwnService } from '../discovery/own-service.js';
import { CallVerdicts } from './call-verdicts.js';
import type { Observers } from './observers.js';

/** Loaded from the agent's folder, else from the app's working folder. */
/** What spans are made of. */
export interface TraceParts {
  readonly options: Pick<AgentOptions, 'nacosServer'>;
  readonly own: OwnService;
  readonly observers: Observers;
  readonly log: AgentLog;
}

export function startTraces({ log, options, own, observers }: TraceParts, to: 'otlp' | 'zipkin'): void {
  const traces = load();
  if (traces === undefined) {
    log.error(`LANE_TRACES=${to} needs the package @lane/traces: npm install @lane/traces. The app runs without traces.`);
    return;
  }
  const verdicts = new CallVerdicts();
  observers.verdicts = verdicts;
  const servers = new Set((options.nacosServer ?? '').split(',').map((server) => server.trim()));
  traces.startTraces({
    to,
    service: own.name,
    verdictOn: (request) => verdicts.of(request),
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
