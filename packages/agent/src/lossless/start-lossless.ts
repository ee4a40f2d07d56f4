/** LANE_LOSSLESS: registers the app when it can serve, and takes it out before it ends. Nothing of it is loaded without. */
import { isMainThread } from 'node:worker_threads';
import { runInLane } from '@lane/core/model';
import type { Runtime } from '../boot/runtime.js';
import { Drain } from '../observe/admin/drain.js';
import { TrafficRecorder } from '../observe/traffic/recorder.js';
import { holdSigterm } from './held-signal.js';
import { ReadinessGate } from './readiness-gate.js';

/** What a drain that is at its limit has to say it says by then. */
const LAST_WORD_MS = 250;

/** `stopMs`: the longest that a stop is held, in milliseconds. */
export function startLossless(runtime: Runtime, stopMs: number): void {
  const { log, options } = runtime;
  const gate = new ReadinessGate({ path: options.readyPath, log });
  runtime.gate = gate;
  // Worker threads get no signals.
  if (!isMainThread) return;
  if (process.platform === 'win32') {
    log.warn('LANE_LOSSLESS holds back the registration only: Windows ends a process without SIGTERM. Use `lane drain` before you stop it');
    return;
  }
  // What is in flight has to be known before the signal comes.
  runtime.observers.traffic ??= new TrafficRecorder(runtime);
  holdSigterm((signal) => {
    gate.close();
    if (runtime.drain === undefined && runtime.registrations.size === 0) return undefined;
    return runInLane(undefined, () => stop(runtime, stopMs, signal));
  });
}

async function stop(runtime: Runtime, stopMs: number, signal: AbortSignal): Promise<void> {
  const { log } = runtime;
  log.info('SIGTERM: the instance is taken out of service before the app hears of it');
  const drain = (runtime.drain ??= new Drain(runtime, { settleSeconds: 'measured', deadlineSeconds: stopMs / 1000 }));
  const abandon = (): void => drain.abandon();
  signal.addEventListener('abort', abandon);
  // One that was asked for at the admin port has limits of its own.
  let timer: NodeJS.Timeout | undefined;
  const limit = new Promise<void>((resolve) => {
    // A moment later than its own limit: at that it tells what was in flight.
    timer = setTimeout(resolve, stopMs + LAST_WORD_MS);
  });
  await Promise.race([drain.ended, limit]);
  clearTimeout(timer);
  abandon();
  const { elapsedSeconds, state, problems } = drain.report;
  for (const problem of problems) log.warn(`a stop that may lose requests: ${problem}`);
  log.info('the app hears of SIGTERM now', { state, seconds: elapsedSeconds });
}
