/**
 * Keeps the registry's state on disk, so that a process which starts while Nacos is down still finds its
 * services. Writing is asynchronous, batched, and keeps no process alive; nothing here ever throws.
 */
import type { Stats } from 'node:fs';
import { asListed, jsonNumber, messageOf, serviceIdOf, SILENT_LOG, type Instance, type Log, type SnapshotStore } from '@lane/core/model';

/** Options of {@link createSnapshotStore}. */
export interface SnapshotStoreOptions {
  /** Its own directory; created with mode 0700 if missing. One that others may write to is refused. */
  readonly directory: string;
  readonly namespace: string;
  /** The server, to distinguish several with the same namespace. */
  readonly server?: string;
  /** Whether the user has set the directory: if it is not writable, that is then a warning, otherwise a debug line. */
  readonly isNamed?: boolean;
  readonly log?: Log;
}

const MAX_AGE_MS = 7 * 24 * 60 * 60 * 1000;
/** How often an unchanged state is rewritten, so that it does not expire. */
const REWRITE_MS = 60 * 60 * 1000;
const WRITE_DELAY_MS = 250;
const VERSION = 1;
/** How many instances are serialized at a time: very many take hundreds of milliseconds in all. */
const INSTANCES_A_TEXT = 500;
/** File systems allow 255 bytes; a temporary name adds some. */
const MAX_FILE_NAME = 180;

/** The directory for snapshots of this user: `lane-<uid>` in the system's temporary directory. */
export function defaultSnapshotDirectory(): string {
  const os = require('node:os') as typeof import('node:os');
  const path = require('node:path') as typeof import('node:path');
  return path.join(os.tmpdir(), `lane-${process.getuid?.() ?? 'user'}`);
}

/** Creates a store; reads and writes nothing before its first use. */
export function createSnapshotStore(options: SnapshotStoreOptions): SnapshotStore {
  const fs = require('node:fs') as typeof import('node:fs');
  const path = require('node:path') as typeof import('node:path');
  const log = options.log ?? SILENT_LOG;
  const { directory } = options;
  const scope = fileName(options.server === undefined ? options.namespace : `${options.server}~${options.namespace}`);
  const folder = path.join(directory, scope);

  /** File name → what to write. */
  const pending = new Map<string, () => Iterable<string>>();
  const written = new Map<string, { subject: unknown; at: number }>();
  let timer: NodeJS.Timeout | undefined;
  let writing: Promise<void> = Promise.resolve();
  let isOff = false;
  let isReadOnly = false;
  let count = 0;

  function load(file: string, subject: string): Record<string, unknown> | undefined {
    try {
      if (isOff || !isThere()) return undefined;
      const filePath = path.join(folder, file);
      const fileStats = fs.lstatSync(filePath, { throwIfNoEntry: false });
      if (fileStats === undefined || !fileStats.isFile()) return undefined;
      const snapshot = JSON.parse(fs.readFileSync(filePath, 'utf8')) as Record<string, unknown> | null;
      if (snapshot === null || snapshot['version'] !== VERSION || snapshot['subject'] !== subject) return undefined;
      const age = Date.now() - jsonNumber(snapshot['savedAt']);
      return age <= MAX_AGE_MS ? snapshot : undefined;
    } catch (error) {
      log.warn(`the snapshot of ${subject} in ${folder} can't be read and is ignored`, { error: messageOf(error) });
      return undefined;
    }
  }

  /** Whether there is a directory to read from. */
  function isThere(): boolean {
    try {
      const stats = fs.lstatSync(directory, { throwIfNoEntry: false });
      return stats !== undefined && accepts(stats);
    } catch (error) {
      isOff = true;
      tell("can't be read", error);
      return false;
    }
  }

  function save(file: string, content: () => Iterable<string>, identity: unknown): void {
    if (isOff || isReadOnly) return;
    const last = written.get(file);
    const now = Date.now();
    if (last !== undefined && last.subject === identity && now - last.at < REWRITE_MS) return;
    written.set(file, { subject: identity, at: now });
    pending.set(file, content);
    if (timer !== undefined) return;
    timer = setTimeout(write, WRITE_DELAY_MS);
    timer.unref();
  }

  function write(): void {
    clearTimeout(timer);
    timer = undefined;
    const files = [...pending];
    pending.clear();
    writing = writing.then(() => writeAll(files)).catch(giveUp);
  }

  async function writeAll(files: ReadonlyArray<readonly [string, () => Iterable<string>]>): Promise<void> {
    if (isOff || isReadOnly || files.length === 0) return;
    const { promises } = fs;
    await promises.mkdir(directory, { recursive: true, mode: 0o700 });
    if (!accepts(await promises.lstat(directory))) return;
    await promises.mkdir(folder, { recursive: true, mode: 0o700 });
    for (const [file, text] of files) {
      const temporary = path.join(folder, `.${file}.${process.pid}.${count++}.${Math.random().toString(36).slice(2, 8)}`);
      try {
        await promises.writeFile(temporary, text(), { mode: 0o600, flag: 'wx' });
        await promises.rename(temporary, path.join(folder, file));
      } catch (error) {
        await promises.rm(temporary, { force: true }).catch(() => {});
        throw error;
      }
    }
  }

  /** Other users must not be able to redirect this process's calls. */
  function accepts(stats: Stats): boolean {
    const uid = process.getuid?.();
    const problem = !stats.isDirectory()
      ? 'is not a directory'
      : uid !== undefined && stats.uid !== uid
        ? `belongs to another user (${stats.uid})`
        : uid !== undefined && (stats.mode & 0o022) !== 0
          ? 'is writable by other users: run chmod 700'
          : undefined;
    if (problem === undefined) return true;
    isOff = true;
    log.warn(`no snapshots: ${directory} ${problem}`);
    return false;
  }

  /** On a read-only file system, for example, the app works without snapshots. Existing ones are still read. */
  function giveUp(error: unknown): void {
    if (isOff || isReadOnly) return;
    isReadOnly = true;
    tell("can't be written to", error);
  }

  /** A warning only if the user has set the directory; the system's temporary one is read-only in many containers. */
  function tell(problem: string, error: unknown): void {
    const remedy = options.isNamed === true ? ': nothing is remembered for a restart while the registry is down; name a folder of this user' : '';
    log[options.isNamed === true ? 'warn' : 'debug'](`no snapshots: ${directory} ${problem}${remedy}`, { error: messageOf(error) });
  }

  return {
    load(key) {
      const subject = serviceIdOf(key);
      const instances = load(serviceFile(subject), subject)?.['instances'];
      // Instances that refused connections or were ejected before a restart may be well by now, and are tried again.
      return Array.isArray(instances) ? instances.filter(isInstance).map(asListed) : undefined;
    },
    save(key, instances) {
      const subject = serviceIdOf(key);
      save(serviceFile(subject), () => textsOf(subject, instances), instances);
    },
    loadDocument(dataId) {
      const content = load(documentFile(dataId), dataId)?.['content'];
      return typeof content === 'string' ? content : undefined;
    },
    saveDocument(dataId, content) {
      save(documentFile(dataId), () => [headOf(dataId, { content: content ?? null })], content ?? null);
    },
    flush() {
      write();
      return writing;
    },
  };
}

function headOf(subject: string, content: Readonly<Record<string, unknown>>): string {
  return JSON.stringify({ version: VERSION, subject, savedAt: Date.now(), ...content });
}

/** The text of a service's file, in parts: other work can run between two of them. */
function* textsOf(subject: string, instances: readonly Instance[]): Generator<string, void, void> {
  const whole = headOf(subject, { instances: instances.slice(0, INSTANCES_A_TEXT) });
  if (instances.length <= INSTANCES_A_TEXT) {
    yield whole;
    return;
  }
  // Without the closing brackets.
  yield whole.slice(0, -2);
  for (let from = INSTANCES_A_TEXT; from < instances.length; from += INSTANCES_A_TEXT)
    yield `,${JSON.stringify(instances.slice(from, from + INSTANCES_A_TEXT)).slice(1, -1)}`;
  yield ']}';
}

function serviceFile(subject: string): string {
  return `service-${fileName(subject)}.json`;
}

function documentFile(dataId: string): string {
  return `document-${fileName(dataId)}.json`;
}

/** A name valid on every file system; truncated ones may collide, which the file's content reveals. */
function fileName(text: string): string {
  // Through bytes, because invalid Unicode survives those.
  const encoded = encodeURIComponent(Buffer.from(text).toString());
  return encoded.replace(/[*~]|^\.+/g, '_').slice(0, MAX_FILE_NAME);
}

function isInstance(value: unknown): value is Instance {
  if (value === null || typeof value !== 'object') return false;
  const { ip, port, weight, healthy, enabled, metadata } = value as Record<string, unknown>;
  return (
    typeof ip === 'string' &&
    Number.isInteger(port) &&
    typeof weight === 'number' &&
    typeof healthy === 'boolean' &&
    typeof enabled === 'boolean' &&
    metadata !== null &&
    typeof metadata === 'object'
  );
}
