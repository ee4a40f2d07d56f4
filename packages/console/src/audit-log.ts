/** The audit log: JSON lines in a file, with the latest in memory for the history page. */
import { createWriteStream, existsSync, openSync, closeSync, fstatSync, readSync, type WriteStream } from 'node:fs';
import { finished } from 'node:stream/promises';

/** What was done. */
export type AuditAction =
  | 'sign-in'
  | 'sign-in-refused'
  | 'sign-out'
  | 'change-refused'
  | 'group-created'
  | 'group-changed'
  | 'group-deleted'
  | 'lane-created'
  | 'lane-changed'
  | 'lane-enabled'
  | 'lane-disabled'
  | 'lane-deleted'
  | 'document-changed'
  | 'rolled-back';

/** One line of the log. */
export interface AuditEntry {
  /** ISO 8601. */
  readonly at: string;
  /** The user's name; `-` if nobody has signed in. */
  readonly who: string;
  readonly role?: string;
  /** The peer's address. */
  readonly from: string;
  readonly action: AuditAction;
  /** `group`, `group/lane`, or the id of a version. */
  readonly target?: string;
  /** md5 of the lane groups after the change, by which the history finds its entry. */
  readonly md5After?: string;
  /** Why it was refused. */
  readonly reason?: string;
}

const REMEMBERED = 1_000;
/** How much of an earlier log is read at the start. */
const MAX_TAIL_BYTES = 1024 * 1024;

/** The log of one console. */
export class AuditLog {
  readonly #entries: AuditEntry[] = [];
  readonly #stream: WriteStream | undefined;
  readonly #onError: (error: Error) => void;

  /** With a file, loads entries of earlier runs. Throws if the file can't be read; calls `onError` when writing fails. */
  constructor(file: string | undefined, onError: (error: Error) => void) {
    this.#onError = onError;
    if (file === undefined) return;
    if (existsSync(file)) this.#entries.push(...tailOf(file));
    // Readable only by its owner, because it has addresses of users.
    this.#stream = createWriteStream(file, { flags: 'a', mode: 0o600 });
    this.#stream.on('error', (error) => this.#onError(error));
  }

  add(entry: Omit<AuditEntry, 'at'>): void {
    const complete: AuditEntry = { at: new Date().toISOString(), ...entry };
    this.#entries.push(complete);
    if (this.#entries.length > REMEMBERED) this.#entries.shift();
    this.#stream?.write(`${JSON.stringify(complete)}\n`);
  }

  /** The latest first. */
  latest(limit: number): readonly AuditEntry[] {
    return this.#entries.slice(-limit).reverse();
  }

  /** The latest change that led to this content. */
  changeTo(md5: string): AuditEntry | undefined {
    return this.#entries.findLast((entry) => entry.md5After === md5);
  }

  /** Changes by resulting content, the latest first: the same content may occur several times. */
  changesByContent(): Map<string, AuditEntry[]> {
    const changes = new Map<string, AuditEntry[]>();
    for (const entry of this.latest(REMEMBERED)) {
      if (entry.md5After === undefined) continue;
      const known = changes.get(entry.md5After);
      if (known === undefined) changes.set(entry.md5After, [entry]);
      else known.push(entry);
    }
    return changes;
  }

  /** The latest change of a group or lane. */
  changeOf(target: string): AuditEntry | undefined {
    return this.#entries.findLast((entry) => entry.target === target && entry.md5After !== undefined);
  }

  /** Resolves when all entries are in the file. */
  async close(): Promise<void> {
    if (this.#stream === undefined || this.#stream.destroyed) return;
    this.#stream.end();
    await finished(this.#stream).catch(() => {});
  }
}

function tailOf(file: string): AuditEntry[] {
  const descriptor = openSync(file, 'r');
  try {
    const { size } = fstatSync(descriptor);
    const length = Math.min(size, MAX_TAIL_BYTES);
    const buffer = Buffer.alloc(length);
    readSync(descriptor, buffer, 0, length, size - length);
    const lines = buffer.toString('utf8').split('\n');
    // The first line may be cut off, and a crash may have cut off the last.
    return lines.slice(-REMEMBERED - 1).flatMap((line) => {
      try {
        return [JSON.parse(line) as AuditEntry];
      } catch {
        return [];
      }
    });
  } finally {
    closeSync(descriptor);
  }
}
