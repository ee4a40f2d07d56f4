/**
 * What was known of the registry, on disk: so that a process which starts while Nacos is down finds its services all the
 * same. Writing is asynchronous, bundled, and holds no process alive; nothing here ever throws.
 */
import type { Stats } from 'node:fs';
import { asListed, jsonNumber, messageOf, serviceIdOf, SILENT_LOG, type Instance, type Log, type SnapshotStore } from '@lane/core/model';

/** Options of {@link createSnapshotStore}. */
export interface SnapshotStoreOptions {
  /** Its own directory; made with mode 0700 where it is missing. One that others may write to is refused. */
  readonly directory: string;
  readonly namespace: string;
  /** The server, where several with the same namespace are used from one machine. */
  readonly server?: string;
  /** Whether somebody has named the directory: that it can't be written to is a warning then, and a line of debug otherwise. */
  readonly isNamed?: boolean;
  readonly log?: Log;
}

const MAX_AGE_MS = 7 * 24 * 60 * 60 * 1000;
/** What stays as it is is written again this often, so that it does not grow old. */
const REWRITE_MS = 60 * 60 * 1000;
const WRITE_DELAY_MS = 250;
const VERSION = 1;
/** File systems take 255 bytes; a temporary name adds some. */
const MAX_FILE_NAME = 180;

/** The directory for snapshots of this user: `lane-<uid>` in the system's temporary directory. */
export function defaultSnapshotDirectory(): string {
  const os = require('node:os') as typeof import('node:os');
  const path = require('node:path') as typeof import('node:path');
  return path.join(os.tmpdir(), `lane-${process.getuid?.() ?? 'user'}`);
}

/** Makes a store; nothing is read or written before it is used. */
export function createSnapshotStore(options: SnapshotStoreOptions): SnapshotStore {
  const fs = require('node:fs') as typeof import('node:fs');
  const path = require('node:path') as typeof import('node:path');
  const log = options.log ?? SILENT_LOG;
  const { directory } = options;
  const scope = fileName(options.server === undefined ? options.namespace : `${options.server}~${options.namespace}`);
  const folder = path.join(directory, scope);

  /** File name → what to write. */
  const pending = new Map<string, () => string>();
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
      log.warn(`the snapshot of ${subject} in ${folder} can't be read and is left out`, { error: messageOf(error) });
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

  function save(file: string, subject: string, content: Record<string, unknown>, identity: unknown): void {
    if (isOff || isReadOnly) return;
    const last = written.get(file);
    const now = Date.now();
    if (last !== undefined && last.subject === identity && now - last.at < REWRITE_MS) return;
    written.set(file, { subject: identity, at: now });
    pending.set(file, () => JSON.stringify({ version: VERSION, subject, savedAt: Date.now(), ...content }));
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

  async function writeAll(files: ReadonlyArray<readonly [string, () => string]>): Promise<void> {
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

  /** Others must not be able to tell this process where its services are. */
  function accepts(stats: Stats): boolean {
    const uid = process.getuid?.();
    const problem = !stats.isDirectory()
      ? 'is no directory'
      : uid !== undefined && stats.uid !== uid
        ? `belongs to another user (${stats.uid})`
        : uid !== undefined && (stats.mode & 0o022) !== 0
          ? 'can be written to by others (chmod 700 mends that)'
          : undefined;
    if (problem === undefined) return true;
    isOff = true;
    log.warn(`no snapshots: ${directory} ${problem}`);
    return false;
  }

  /** A read-only file system and the like: the app does as well without. What is there already is read on. */
  function giveUp(error: unknown): void {
    if (isOff || isReadOnly) return;
    isReadOnly = true;
    tell("can't be written to", error);
  }

  /** Who has named the directory wants to know; the system's temporary one is read-only in many a container. */
  function tell(problem: string, error: unknown): void {
    const remedy = options.isNamed === true ? ': nothing is remembered for a restart while the registry is down; name a folder of this user' : '';
    log[options.isNamed === true ? 'warn' : 'debug'](`no snapshots: ${directory} ${problem}${remedy}`, { error: messageOf(error) });
  }

  return {
    load(key) {
      const subject = serviceIdOf(key);
      const instances = load(serviceFile(subject), subject)?.['instances'];
      // Who refused connections or was ejected before a restart may be well by now, and is asked again.
      return Array.isArray(instances) ? instances.filter(isInstance).map(asListed) : undefined;
    },
    save(key, instances) {
      const subject = serviceIdOf(key);
      save(serviceFile(subject), subject, { instances }, instances);
    },
    loadDocument(dataId) {
      const content = load(documentFile(dataId), dataId)?.['content'];
      return typeof content === 'string' ? content : undefined;
    },
    saveDocument(dataId, content) {
      save(documentFile(dataId), dataId, { content: content ?? null }, content ?? null);
    },
    flush() {
      write();
      return writing;
    },
  };
}

function serviceFile(subject: string): string {
  return `service-${fileName(subject)}.json`;
}

function documentFile(dataId: string): string {
  return `document-${fileName(dataId)}.json`;
}

/** A name that every file system takes; different ones may share it where they must be cut, which the file's content tells. */
function fileName(text: string): string {
  // By way of bytes, which a text that is no proper Unicode survives.
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
