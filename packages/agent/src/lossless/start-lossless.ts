/** LANE_LOSSLESS: registers the app when it can serve, and deregisters it before it ends. Loaded only with that option. */
import { isMainThread } from 'node:worker_threads';
import { runInLane } from '@lane/core/model';
import type { Runtime } from '../boot/runtime.js';
import { Drain } from '../observe/admin/drain.js';
import { TrafficRecorder } from '../observe/traffic/recorder.js';
import { holdSigterm } from './held-signal.js';
import { ReadinessGate } from './readiness-gate.js';

/** By then, a drain at its limit has reported. */
const LAST_WORD_MS = 250;

/** `stopMs`: the longest that a stop is held, in milliseconds. */
export function startLossless(runtime: Runtime, stopMs: number): void {
  const { log, options } = runtime;
  const gate = new ReadinessGate({ path: options.readyPath, log });
  runtime.gate = gate;
  // Worker threads get no signals.
  if (!isMainThread) return;
  if (process.platform === 'win32') {
    log.warn('LANE_LOSSLESS only delays the registration here, because Windows ends a process without SIGTERM. Use `lane drain` before you stop it');
    return;
  }
  // Requests in flight must be known before the signal arrives.
  runtime.observers.traffic ??= new TrafficRecorder(runtime);
  holdSigterm((signal) => {
    gate.close();
    if (runtime.drain === undefined && runtime.registrations.size === 0) return undefined;
    return runInLane(undefined, () => stop(runtime, stopMs, signal));
  });
}

async function stop(runtime: Runtime, stopMs: number, signal: AbortSignal): Promise<void> {
  const { log } = runtime;
  log.info('SIGTERM: taking the instance out of service before the app receives it');
  const drain = (runtime.drain ??= new Drain(runtime, { settleSeconds: 'measured', deadlineSeconds: stopMs / 1000 }));
  const abandon = (): void => drain.abandon();
  signal.addEventListener('abort', abandon);
  // A drain requested at the admin port has its own limits.
  let timer: NodeJS.Timeout | undefined;
  const limit = new Promise<void>((resolve) => {
    // Shortly after its own limit, at which it reports what was in flight.
    timer = setTimeout(resolve, stopMs + LAST_WORD_MS);
  });
  await Promise.race([drain.ended, limit]);
  clearTimeout(timer);
  abandon();
  const { elapsedSeconds, state, problems } = drain.report;
  for (const problem of problems) log.warn(`this stop may lose requests: ${problem}`);
  log.info('passing SIGTERM on to the app', { state, seconds: elapsedSeconds });
}
