import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';

/** Options of a process. */
export interface ProcessOptions {
  /** Its name in messages. */
  readonly name: string;
  readonly script: string;
  readonly args?: readonly string[];
  /** Files preloaded through NODE_OPTIONS, before the script. */
  readonly preload?: readonly string[];
  /** In addition to variables of the system and Node; nothing else of this process's environment is passed on. */
  readonly env?: Readonly<Record<string, string>>;
  readonly cwd?: string;
  /** Called when the process ends unexpectedly, with its last lines. */
  readonly onDeath?: (description: string) => void;
  /** Called for each line that it prints. */
  readonly onLine?: (line: string) => void;
}

/**
 * Variables of the system and of Node. All others are settings for other apps: those of Lane would change what lanes do, and `PORT`, `HOST` or
 * `NACOS_USERNAME` affect most services, ours included.
 */
const OF_SYSTEM =
  /^(?:PATH|PATHEXT|HOME|USER|LOGNAME|SHELL|TERM|TMPDIR|TEMP|TMP|TZ|LANG|LC_\w+|NODE_\w+|(?:LD|DYLD)_\w+|SYSTEMROOT|SYSTEMDRIVE|WINDIR|COMSPEC|USERPROFILE|HOMEDRIVE|HOMEPATH|(?:LOCAL)?APPDATA|PROGRAM\w+)$/i;

/** The environment of this process, without settings that are meant for other apps. */
function cleanEnvironment(): NodeJS.ProcessEnv {
  return Object.fromEntries(Object.entries(process.env).filter(([name]) => OF_SYSTEM.test(name)));
}

const GUARD = join(__dirname, 'exit-with-parent.js');
const REMEMBERED_LINES = 20;
const STOP_TIMEOUT_MS = 5_000;

/** A child process that never outlives this one. Keeps its last lines to report them if it dies. */
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
      // Ctrl-C in a terminal reaches only this process, which stops its children in order.
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

  /** Resolves when it has ended for any reason. */
  get exited(): Promise<void> {
    return this.#exited;
  }

  /** The first message that it sends. Rejects with its last lines if it ends before. */
  async message<T>(): Promise<T> {
    const message = await Promise.race([once(this.#child, 'message').then(([value]) => value as T), this.#exited]);
    if (message === undefined) throw new Error(this.#describe(`${this.name} ended before it was ready`));
    return message;
  }

  /** The first match in a line that it prints. Rejects if it ends before. */
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

  /** Kills it, like a crash or an eviction. */
  async kill(signal: NodeJS.Signals = 'SIGKILL'): Promise<void> {
    this.#isStopping = true;
    if (!this.#hasExited) this.#child.kill(signal);
    await this.#exited;
  }

  /** Stops it gracefully, and kills it if that takes too long. */
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
