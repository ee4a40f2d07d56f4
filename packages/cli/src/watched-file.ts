/** A file of a running gateway: written atomically, checked by the gateway's own program, and reloaded by it. */
import { exec } from 'node:child_process';
import { existsSync } from 'node:fs';
import { chmod, readFile, realpath, rename, rm, stat, writeFile } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { printable } from '@lane/core/model';

/** The file and its commands, which a shell runs with the file in `LANE_FILE`. */
export interface WatchedFileOptions {
  readonly path: string;
  /** Fails if the file is invalid. */
  readonly check?: string | undefined;
  /** Makes the gateway reload it. */
  readonly reload?: string | undefined;
}

/** The result of applying a text. */
export interface Applied {
  /** `refused`: the old file is restored. `not-reloaded`: it is written, but the gateway does not use it yet; reloading is retried. */
  readonly outcome: 'written' | 'unchanged' | 'refused' | 'not-reloaded';
  /** Duration of the reload. undefined: there was none. */
  readonly reloadMs?: number;
  /** Output of the command that failed. */
  readonly problem?: string;
}

/** Reloads are limited, because each starts new processes while the old ones finish their requests. */
const RELOAD_EVERY_MS = 1_000;
const RELOAD_AGAIN_MS = 5_000;
const COMMAND_TIMEOUT_MS = 30_000;
const MAX_SAID = 2_000;

interface Wanted {
  readonly text: string;
  readonly onApplied: (applied: Applied) => void;
}

/** A watched file. */
export class WatchedFile {
  readonly #options: WatchedFileOptions;
  #wanted: Wanted | undefined;
  #work: Promise<void> = Promise.resolve();
  #isWorking = false;
  #isClosed = false;
  #pause: { readonly timer: NodeJS.Timeout; readonly end: () => void } | undefined;
  #mustReload = false;

  constructor(options: WatchedFileOptions) {
    this.#options = { ...options, path: resolve(options.path) };
  }

  get exists(): boolean {
    return existsSync(this.#options.path);
  }

  /** Writes a text and reloads, after the current work; of texts that come in the meantime, only the last. */
  apply(text: string, onApplied: (applied: Applied) => void): void {
    if (this.#isClosed) return;
    this.#wanted = { text, onApplied };
    if (this.#isWorking) return;
    this.#isWorking = true;
    this.#work = this.#run().finally(() => (this.#isWorking = false));
  }

  /** Stops after the current work. */
  async close(): Promise<void> {
    this.#isClosed = true;
    this.#pause?.end();
    await this.#work;
  }

  async #run(): Promise<void> {
    for (let wanted = this.#take(); wanted !== undefined; wanted = this.#take()) {
      let applied: Applied;
      try {
        applied = await this.#applyOne(wanted.text);
      } catch (error) {
        applied = { outcome: 'refused', problem: printable((error as Error).message) };
      }
      wanted.onApplied(applied);
      if (applied.outcome === 'not-reloaded') {
        await this.#wait(RELOAD_AGAIN_MS);
        this.#wanted ??= wanted;
      } else if (applied.outcome !== 'unchanged') await this.#wait(RELOAD_EVERY_MS);
    }
  }

  #take(): Wanted | undefined {
    const wanted = this.#isClosed ? undefined : this.#wanted;
    this.#wanted = undefined;
    return wanted;
  }

  #wait(ms: number): Promise<void> {
    if (this.#isClosed) return Promise.resolve();
    return new Promise((done) => {
      const end = (): void => {
        clearTimeout(timer);
        done();
      };
      const timer = setTimeout(end, ms);
      this.#pause = { timer, end };
    });
  }

  async #applyOne(text: string): Promise<Applied> {
    const { check, reload, path } = this.#options;
    const before = await readFile(path, 'utf8').catch(() => undefined);
    if (before === text && !this.#mustReload) return { outcome: 'unchanged' };
    if (before !== text) {
      await this.put(text);
      const problem = check === undefined ? undefined : await this.#command(check);
      if (problem !== undefined) {
        if (before === undefined) await rm(path);
        else await this.put(before);
        return { outcome: 'refused', problem };
      }
    }
    if (reload === undefined) return { outcome: 'written' };
    const startedMs = Date.now();
    const problem = await this.#command(reload);
    this.#mustReload = problem !== undefined;
    return problem === undefined ? { outcome: 'written', reloadMs: Date.now() - startedMs } : { outcome: 'not-reloaded', problem };
  }

  /** Writes a temporary file and renames it, so readers see the old or the new one. Keeps the mode; follows links. */
  async put(text: string): Promise<void> {
    const path = await realpath(this.#options.path).catch(() => this.#options.path);
    // A name that patterns such as *.conf do not match.
    const temporary = join(dirname(path), `.${basename(path)}.lane-${process.pid}`);
    try {
      await writeFile(temporary, text);
      const mode = (await stat(path).catch(() => undefined))?.mode;
      if (mode !== undefined) await chmod(temporary, mode);
      await rename(temporary, path);
    } catch (error) {
      await rm(temporary, { force: true });
      throw error;
    }
  }

  /** Runs a command; undefined: it succeeded. */
  #command(command: string): Promise<string | undefined> {
    const { path } = this.#options;
    return new Promise((done) => {
      exec(command, { env: { ...process.env, LANE_FILE: path }, timeout: COMMAND_TIMEOUT_MS }, (error, stdout, stderr) => {
        if (error === null) done(undefined);
        else {
          const how = error.killed === true ? `took more than ${COMMAND_TIMEOUT_MS / 1_000} s` : `failed (${error.code ?? error.signal ?? ''})`;
          done(printable(`\`${command}\` ${how}: ${`${stderr}${stdout}`.trim().slice(-MAX_SAID)}`));
        }
      });
    });
  }
}
