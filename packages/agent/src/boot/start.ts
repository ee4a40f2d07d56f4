/** Starts the agent in this process: reads the options, patches, and connects to the registry where there is need. */
import { isPackageManager } from '@lane/core/agent';
import { tellOfBundledNacos } from '../discovery/bundled-nacos.js';
import { bindingsOf, INSTRUMENTATIONS } from '../instrumentations/index.js';
import type { Instrumentation, LoadedFile } from '../patching/instrumentation.js';
import { onModuleLoaded } from '../patching/es-module-hook.js';
import { isLaneCommand } from './lane-command.js';
import { createLog, type AgentLog } from './log.js';
import { whenMetered } from '../observe/meter-provider.js';
import { onFileLoaded } from '../patching/module-hook.js';
import { readOptions, watchForLateOptions } from './options.js';
import { Runtime } from './runtime.js';
import { loadInstrumentations } from './third-party.js';
import { reportFailuresTo, safely } from '../patching/safely.js';
import { packageOf } from '../patching/package-files.js';
import { isSupported } from '../patching/supported-version.js';
import type { MeterProvider } from '../observe/traffic/opentelemetry-metrics.js';

/** Where the agent of this process announces itself: a second copy, of whatever version, does nothing. */
const AGENT = Symbol.for('lane.agent.v1');

/** What other parts of Lane may ask of the agent in their process. */
export interface RunningAgent {
  readonly version: string;
  readonly runtime: Runtime;
  /** Of each, by name: `waiting` until its library is loaded. */
  readonly instrumentations: Map<string, InstrumentationState>;
}

/** Whether an instrumentation is in force. */
export type InstrumentationState = 'on' | 'waiting' | 'disabled';

/** Starts, unless the agent is off, here already, or the process is a package manager or the `lane` command. */
export function start(): void {
  const scope = globalThis as Record<symbol, unknown>;
  if (scope[AGENT] !== undefined || isPackageManager(process.argv[1]) || isLaneCommand(process.argv[1])) return;

  const { options, problems } = readOptions();
  const log = createLog(options.log, options.logFormat === 'json');
  for (const { message } of problems) log.error(message);
  if (options.disable.includes('all')) return;
  reportFailuresTo(log);
  const runtime = new Runtime(options, log);
  const instrumentations = new Map<string, InstrumentationState>();
  const agent: RunningAgent = { version: (require('../../package.json') as { version: string }).version, runtime, instrumentations };
  Object.defineProperty(scope, AGENT, { value: agent });

  // First: what the app registers announces the port, which takes a moment to be known.
  const { adminPort } = options;
  if (adminPort !== undefined)
    safely('LANE_ADMIN_PORT', () =>
      (require('../observe/admin/start-admin.js') as typeof import('../observe/admin/start-admin.js')).startAdmin(agent, adminPort),
    )();

  installAll(INSTRUMENTATIONS, agent);
  if (options.instrumentations.length > 0) {
    // After our own: what the packages load is patched, too.
    installAll(loadInstrumentations(options.instrumentations, INSTRUMENTATIONS, log), agent);
  }
  if (options.bind.length > 0) installAll({ LANE_BIND: bindingsOf(options.bind, log) }, agent);
  for (const name of options.disable) {
    if (!instrumentations.has(name))
      log.error(
        `LANE_DISABLE names ${JSON.stringify(name)}, which is no instrumentation: accepted are ${[...instrumentations.keys()].join(', ')}, all.`,
      );
  }
  if (options.context === 'cls') {
    safely('LANE_CONTEXT=cls', () => (require('./cls.js') as typeof import('./cls.js')).mirrorIntoCls(log))();
  }
  const { traces, doctorTrace } = options;
  // After the instrumentations: what is told is what they have made of a call.
  if (doctorTrace !== undefined)
    safely('LANE_DOCTOR_TRACE', () =>
      (require('../observe/trace/start-trace.js') as typeof import('../observe/trace/start-trace.js')).startTrace(agent, doctorTrace),
    )();
  if (traces !== 'none')
    safely('LANE_TRACES', () => (require('../observe/traces.js') as typeof import('../observe/traces.js')).startTraces(runtime, traces))();
  if (!options.disable.includes('opentelemetry')) whenMetered(safely('OpenTelemetry metrics', (provider) => meter(provider, agent)));
  // Once the app has said what it is started with.
  setImmediate(() => tellOfBundledNacos(require.main?.filename ?? process.argv[1], log)).unref();
  if (options.nacosServer !== undefined || typeof options.rules === 'object') {
    // After the app's own start: nothing here is needed for its first line.
    setImmediate(
      safely('connection', () => {
        if (typeof options.rules === 'object') runtime.laneGroups.watchFile(options.rules.file, log);
        runtime.nacos.connect();
      }),
    ).unref();
  }
  // Once the app has loaded what it begins with, and again as it registers: nobody is to take an instance of a lane for base unsaid.
  const lateOptions = watchForLateOptions();
  const tellLateOptions = safely('late options', () => {
    const line = lateOptions();
    if (line !== undefined) log.warn(line);
  });
  setImmediate(tellLateOptions).unref();
  runtime.onRegister = tellLateOptions;
  log.info('the agent is on', { version: agent.version, tag: options.tag ?? 'base', node: process.version });
}

function installAll(table: Readonly<Record<string, Instrumentation>>, { runtime, instrumentations }: RunningAgent): void {
  const { log, options } = runtime;
  for (const [name, instrumentation] of Object.entries(table)) {
    const { install, files = [], modules = {}, patch } = instrumentation;
    if (options.disable.includes(name)) {
      instrumentations.set(name, 'disabled');
      continue;
    }
    instrumentations.set(name, install === undefined ? 'waiting' : 'on');
    if (install !== undefined) safely(`installation of ${name}`, install)(runtime);
    if (patch === undefined) continue;
    // One that fails must not keep another from the same file.
    const patchSafely = safely(`installation of ${name}`, (loaded: LoadedFile, isLate = false) => {
      if (!isSupported(loaded.file, loaded.filename, instrumentation, log)) return;
      if (isLate) tellOfLateness(packageOf(loaded.file), log);
      instrumentations.set(name, 'on');
      patch(loaded);
    });
    for (const file of files)
      onFileLoaded(file, (holder, filename, isLate) => patchSafely({ exports: holder.exports, holder, file, filename, runtime }, isLate));
    for (const [file, names] of Object.entries(modules))
      onModuleLoaded(file, names, (exports, filename) => patchSafely({ exports, holder: { exports }, file, filename, runtime }));
  }
}

function tellOfLateness(library: string, log: AgentLog): void {
  log.once(
    `late for ${library}`,
    'warn',
    `${library} was loaded before the agent: what has been taken from it already follows no lane. Put --require @lane/agent before whatever loads it`,
  );
}

function meter(provider: MeterProvider, { runtime, version }: RunningAgent): void {
  const { TrafficRecorder } = require('../observe/traffic/recorder.js') as typeof import('../observe/traffic/recorder.js');
  const { observeTraffic } = require('../observe/traffic/opentelemetry-metrics.js') as typeof import('../observe/traffic/opentelemetry-metrics.js');
  observeTraffic(provider, version, (runtime.observers.traffic ??= new TrafficRecorder(runtime)));
}
