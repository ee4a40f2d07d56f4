/** Starts the agent in this process: reads the options, patches, and connects to the registry if needed. */
import { isPackageManager } from '@lane/core/agent';
import { setBackgroundLane } from '@lane/core/model';
import { bindingsOf } from '../instrumentations/bound.js';
import { INSTRUMENTATIONS } from '../instrumentations/index.js';
import { onListening } from '../inbound/server-events.js';
import type { Instrumentation, LoadedFile } from '../patching/instrumentation.js';
import { onModuleLoaded, seesModules } from '../patching/es-module-hook.js';
import { isLaneCommand } from './lane-command.js';
import { createLog, type AgentLog } from './log.js';
import { whenMetered } from '../observe/meter-provider.js';
import { onFileLoaded, tellOfLoadedFiles } from '../patching/module-hook.js';
import { readOptions, watchForLateOptions } from './options.js';
import { LateRuntime } from './late-runtime.js';
import type { Runtime } from './runtime.js';
import { reportFailuresTo, safely } from '../patching/safely.js';
import { packageOf } from '../patching/package-files.js';
import { isSupported } from '../patching/supported-version.js';
import type { MeterProvider } from '../observe/traffic/opentelemetry-metrics.js';

/** Where the agent of this process announces itself: a second copy, of any version, does nothing. */
const AGENT = Symbol.for('lane.agent.v1');

/** What other parts of Lane may use of the agent in their process. */
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
  const late = new LateRuntime(options, log);
  const instrumentations = new Map<string, InstrumentationState>();
  const agent: RunningAgent = {
    version: (require('../../package.json') as { version: string }).version,
    get runtime() {
      return late.get();
    },
    instrumentations,
  };
  Object.defineProperty(scope, AGENT, { value: agent });

  // First: registrations announce the port, which takes a moment to be known.
  const { adminPort } = options;
  if (adminPort !== undefined)
    safely('LANE_ADMIN_PORT', () =>
      (require('../observe/admin/start-admin.js') as typeof import('../observe/admin/start-admin.js')).startAdmin(agent, adminPort),
    )();

  const { losslessMs = 0 } = options;
  // Before any SDK is loaded.
  if (losslessMs > 0)
    safely('LANE_LOSSLESS', () =>
      (require('../lossless/start-lossless.js') as typeof import('../lossless/start-lossless.js')).startLossless(agent.runtime, losslessMs),
    )();

  // The runtime sets it again when lane groups arrive.
  setBackgroundLane(options.background === 'own' ? options.tag : undefined);
  installAll(INSTRUMENTATIONS, late, instrumentations);
  if (options.instrumentations.length > 0) {
    // After our own, so that what the packages load is patched, too.
    const { loadInstrumentations } = require('./third-party.js') as typeof import('./third-party.js');
    installAll(loadInstrumentations(options.instrumentations, INSTRUMENTATIONS, log), late, instrumentations);
  }
  if (options.bind.length > 0) installAll({ LANE_BIND: bindingsOf(options.bind, log) }, late, instrumentations);
  for (const name of options.disable) {
    if (!instrumentations.has(name))
      log.error(
        `LANE_DISABLE names ${JSON.stringify(name)}, which is not an instrumentation: must be one of ${[...instrumentations.keys()].join(', ')}, all.`,
      );
  }
  if (options.context === 'cls') {
    safely('LANE_CONTEXT=cls', () => (require('./cls.js') as typeof import('./cls.js')).mirrorIntoCls(log))();
  }
  const { traces, doctorTrace } = options;
  // After the instrumentations, so that it reports calls as they have changed them.
  if (doctorTrace !== undefined)
    safely('LANE_DOCTOR_TRACE', () =>
      (require('../observe/trace/start-trace.js') as typeof import('../observe/trace/start-trace.js')).startTrace(agent, doctorTrace),
    )();
  if (traces !== 'none')
    safely('LANE_TRACES', () => (require('../observe/traces.js') as typeof import('../observe/traces.js')).startTraces(agent.runtime, traces))();
  if (!options.disable.includes('opentelemetry')) whenMetered(safely('OpenTelemetry metrics', (provider) => meter(provider, agent)));
  // Once the app has loaded its first files.
  setImmediate(
    safely('bundled libraries', () => {
      const { tellOfBundledLibraries } = require('../patching/bundled-libraries.js') as typeof import('../patching/bundled-libraries.js');
      const wanted = Object.fromEntries(Object.entries(INSTRUMENTATIONS).filter(([name]) => !options.disable.includes(name)));
      tellOfBundledLibraries(require.main?.filename ?? process.argv[1], wanted, loaded, log);
    }),
  ).unref();
  if (options.nacosServer !== undefined || typeof options.rules === 'object') {
    // After the app's own start: nothing here is needed for its first line.
    setImmediate(
      safely('connection', () => {
        const { runtime } = agent;
        if (typeof options.rules === 'object') runtime.laneGroups.watchFile(options.rules.file, log);
        runtime.nacos.connect();
      }),
    ).unref();
  }
  // A registry that an option names is checked and loaded at start; otherwise the runtime comes after the app's own start.
  if (options.registry !== 'nacos') late.get();
  else {
    const make = safely('runtime', () => void late.get());
    setImmediate(make).unref();
    // A server may run out of file descriptors before that.
    onListening(make);
  }
  // After the app's first files, and again as it registers: an instance of a lane must not pass for base without a line in the log.
  const lateOptions = watchForLateOptions();
  const tellLateOptions = safely('late options', () => {
    const line = lateOptions();
    if (line !== undefined) log.warn(line);
  });
  setImmediate(tellLateOptions).unref();
  late.whenMade((runtime) => void (runtime.onRegister = tellLateOptions));
  log.info('the agent is on', { version: agent.version, tag: options.tag ?? 'base', node: process.version });
}

/** Packages of the table that have loaded a file. */
const loaded = new Set<string>();

function installAll(table: Readonly<Record<string, Instrumentation>>, late: LateRuntime, instrumentations: RunningAgent['instrumentations']): void {
  const { log, options } = late;
  for (const name in table) {
    const instrumentation = table[name] as Instrumentation;
    const { install, files = [] } = instrumentation;
    if (options.disable.includes(name)) {
      instrumentations.set(name, 'disabled');
      continue;
    }
    instrumentations.set(name, install === undefined ? 'waiting' : 'on');
    if (install !== undefined) safely(`installation of ${name}`, install)(late);
    if (instrumentation.patch === undefined) continue;
    let patch: ((file: LoadedFile, isLate: boolean) => void) | undefined;
    const tell = (holder: { exports: unknown }, filename: string, file: string, isLate: boolean): void => {
      loaded.add(packageOf(file));
      // Most libraries are never loaded. One that fails must not stop another one of the same file.
      patch ??= safely(`installation of ${name}`, (each: LoadedFile, cameLate: boolean) => {
        if (!isSupported(each.file, each.filename, instrumentation, log)) return;
        if (cameLate) tellOfLateness(packageOf(each.file), log);
        instrumentations.set(name, 'on');
        instrumentation.patch?.(each);
      });
      patch(loadedFile(late, file, filename, holder), isLate);
    };
    for (const file of files) onFileLoaded(file, tell);
    if (!seesModules) continue;
    const { modules = {} } = instrumentation;
    for (const file in modules)
      onModuleLoaded(file, modules[file] as readonly string[], (exports, filename) => tell({ exports }, filename, file, false));
  }
  tellOfLoadedFiles();
}

/** The runtime is created for those who need it. */
function loadedFile(late: LateRuntime, file: string, filename: string, holder: { exports: unknown }): LoadedFile {
  return {
    exports: holder.exports,
    holder,
    file,
    filename,
    get runtime() {
      return late.get();
    },
  };
}

function tellOfLateness(library: string, log: AgentLog): void {
  log.once(
    `late for ${library}`,
    'warn',
    `${library} was loaded before the agent: functions that the app already took from it lose the lane. Put --require @lane/agent before whatever loads it`,
  );
}

function meter(provider: MeterProvider, { runtime, version }: RunningAgent): void {
  const { TrafficRecorder } = require('../observe/traffic/recorder.js') as typeof import('../observe/traffic/recorder.js');
  const { observeTraffic } = require('../observe/traffic/opentelemetry-metrics.js') as typeof import('../observe/traffic/opentelemetry-metrics.js');
  observeTraffic(provider, version, (runtime.observers.traffic ??= new TrafficRecorder(runtime)));
}
