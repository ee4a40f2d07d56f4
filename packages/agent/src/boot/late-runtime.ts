/**
 * The runtime. The first server, socket, call or patched library loads and creates it, at the latest the end of the app's own start.
 */
import type { AgentOptions } from '@lane/core/agent';
import { safely } from '../patching/safely.js';
import type { AgentLog } from './log.js';
import type { Runtime } from './runtime.js';

/** Provides the runtime, and says when it is there. */
export class LateRuntime {
  readonly options: AgentOptions;
  readonly log: AgentLog;
  readonly #listeners: Array<(runtime: Runtime) => void> = [];
  #runtime: Runtime | undefined;

  constructor(options: AgentOptions, log: AgentLog) {
    this.options = options;
    this.log = log;
  }

  /** The runtime, if it is there. On the request path. */
  get made(): Runtime | undefined {
    return this.#runtime;
  }

  /** The runtime, created at the first call. On the request path. */
  get(): Runtime {
    return this.#runtime ?? this.#make();
  }

  /** Calls `listener` as the runtime is created, before anybody can use it; at once if it exists. */
  whenMade(listener: (runtime: Runtime) => void): void {
    if (this.#runtime === undefined) this.#listeners.push(listener);
    else listener(this.#runtime);
  }

  #make(): Runtime {
    const { Runtime: Made } = require('./runtime.js') as typeof import('./runtime.js');
    // As a file is loaded, builtins that the app has loaded by then are noticed, and whoever patches them needs a runtime.
    if (this.#runtime !== undefined) return this.#runtime;
    const runtime = new Made(this.options, this.log);
    this.#runtime = runtime;
    for (const listener of this.#listeners.splice(0)) safely('runtime', listener)(runtime);
    return runtime;
  }
}
