import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';

/** How a process is started. */
export interface ProcessOptions {
  /** What it is called in messages. */
  readonly name: string;
  readonly script: string;
  readonly args?: readonly string[];
  /** Files preloaded through NODE_OPTIONS, before the script. */
  readonly preload?: readonly string[];
  /** Besides that of this process, whose settings of Lane are left out. */
  readonly env?: Readonly<Record<string, string>>;
  readonly cwd?: string;
  /** Told of a process that ended unasked, with its last lines. */
  readonly onDeath?: (description: string) => void;
  /** Told of each line that it prints. */
  readonly onLine?: (line: string) => void;
}

/** Variables by which an agent, or a command, would do something that whoever starts the process has not asked for. */
const OF_LANE = /^(?:LANE_|alicloud\.service\.tag$|MSE_ALICLOUD_SERVICE_TAG$|profiler\.micro\.service\.tag\.trace\.enable$)/i;

/** The environment of this process without settings of Lane: those of somebody's shell are for other apps. */
function cleanEnvironment(): NodeJS.ProcessEnv {
  return Object.fromEntries(Object.entries(process.env).filter(([name]) => !OF_LANE.test(name)));
}

const GUARD = join(__dirname, 'exit-with-parent.js');
const REMEMBERED_LINES = 20;
const STOP_TIMEOUT_MS = 5_000;

/** A child process of ours: its output is kept for the case that it dies, and it never outlives us. */
export class ManagedProcess {
  readonly name: string;
  readonly #child: ChildProcess;
  readonly #lines: string[] = [];
  readonly #watchers = new Set<(line: string) => void>();
  readonly #exited: Promise<void>;
  #hasExited = false;
  #isStopping = false;

  constructor(options: ProcessOptions) {
    this.name = options.name;
    const nodeOptions = [process.env['NODE_OPTIONS'] ?? '', ...[...(options.preload ?? []), GUARD].map((file) => `--require ${JSON.stringify(file)}`)]
      .join(' ')
      .trim();
    this.#child = spawn(process.execPath, [options.script, ...(options.args ?? [])], {
      cwd: options.cwd,
      env: { ...cleanEnvironment(), ...options.env, NODE_OPTIONS: nodeOptions },
      stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
      // A terminal's Ctrl-C goes to us alone; we end them in good order.
      detached: process.platform !== 'win32',
    });
    if (options.onLine !== undefined) this.#watchers.add(options.onLine);
    for (const stream of [this.#child.stdout, this.#child.stderr]) this.#collect(stream as NodeJS.ReadableStream);
    this.#exited = once(this.#child, 'exit').then(
      ([code, signal]) =>
        this.#ended(
          `${this.name} (pid ${this.pid}) ended ${signal === null ? `with exit code ${String(code)}` : `by ${String(signal)}`}`,
          options.onDeath,
        ),
      (error: Error) => this.#ended(`${this.name} could not be started: ${error.message}`, options.onDeath),
    );
  }

  get pid(): number {
    return this.#child.pid ?? -1;
  }

  get isRunning(): boolean {
    return !this.#hasExited;
  }

  /** Resolves when it has ended, for whatever reason. */
  get exited(): Promise<void> {
    return this.#exited;
  }

  /** The first message that it sends. Rejects with its last lines where it ends before. */
  async message<T>(): Promise<T> {
    const message = await Promise.race([once(this.#child, 'message').then(([value]) => value as T), this.#exited]);
    if (message === undefined) throw new Error(this.#describe(`${this.name} ended before it was ready`));
    return message;
  }

  /** The first match in a line that it prints. Rejects where it ends before. */
  async line(pattern: RegExp): Promise<RegExpExecArray> {
    const earlier = this.#lines.map((line) => pattern.exec(line)).find((match) => match !== null);
    if (earlier !== undefined && earlier !== null) return earlier;
    let watcher: ((line: string) => void) | undefined;
    const printed = new Promise<RegExpExecArray>((resolve) => {
      watcher = (line) => {
        const match = pattern.exec(line);
        if (match !== null) resolve(match);
      };
      this.#watchers.add(watcher);
    });
    const match = await Promise.race([printed, this.#exited]);
    this.#watchers.delete(watcher as (line: string) => void);
    if (match === undefined) throw new Error(this.#describe(`${this.name} ended before it was ready`));
    return match;
  }

  /** Ends it at once, as a crash or an eviction would. */
  async kill(signal: NodeJS.Signals = 'SIGKILL'): Promise<void> {
    this.#isStopping = true;
    if (!this.#hasExited) this.#child.kill(signal);
    await this.#exited;
  }

  /** Lets it end in good order, and ends it hard if it takes too long. */
  async stop(): Promise<void> {
    this.#isStopping = true;
    if (this.#hasExited) return;
    this.#child.kill('SIGTERM');
    const impatient = setTimeout(() => this.#child.kill('SIGKILL'), STOP_TIMEOUT_MS);
    await this.#exited;
    clearTimeout(impatient);
  }

  #collect(stream: NodeJS.ReadableStream): void {
    let rest = '';
    stream.setEncoding('utf8');
    stream.on('data', (chunk: string) => {
      const lines = (rest + chunk).split('\n');
      rest = lines.pop() ?? '';
      for (const line of lines) {
        this.#lines.push(line);
        if (this.#lines.length > REMEMBERED_LINES) this.#lines.shift();
        for (const watcher of this.#watchers) watcher(line);
      }
    });
  }

  #ended(description: string, onDeath: ((description: string) => void) | undefined): undefined {
    this.#hasExited = true;
    if (!this.#isStopping) onDeath?.(this.#describe(description));
    return undefined;
  }

  #describe(description: string): string {
    return this.#lines.length === 0 ? description : `${description}; its last lines:\n${this.#lines.map((line) => `    ${line}`).join('\n')}`;
  }
}
