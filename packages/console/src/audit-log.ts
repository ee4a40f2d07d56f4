/** Who has changed what: JSON lines in a file, and the latest of them in memory for the history page. */
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
  /** The user's name; `-` where nobody has signed in. */
  readonly who: string;
  readonly role?: string;
  /** The peer's address. */
  readonly from: string;
  readonly action: AuditAction;
  /** `group`, `group/lane`, or the id of a version. */
  readonly target?: string;
  /** md5 of the lane groups since then, by which the history finds its entry. */
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

  /** With a file, entries of earlier runs are remembered, too. Throws where the file can't be read; `onError` is told when writing fails. */
  constructor(file: string | undefined, onError: (error: Error) => void) {
    this.#onError = onError;
    if (file === undefined) return;
    if (existsSync(file)) this.#entries.push(...tailOf(file));
    // Readable for its owner alone: it says who works from where.
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

  /** The change that led to this content, the latest first. */
  changeTo(md5: string): AuditEntry | undefined {
    return this.#entries.findLast((entry) => entry.md5After === md5);
  }

  /** Changes, by the content that each led to, the latest first: the same content may come again. */
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

  /** Resolves when all of it is in the file. */
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
    // The first may be half a line, and a crash may have left half of the last.
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
