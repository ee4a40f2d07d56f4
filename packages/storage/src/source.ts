/** Watches and publishes lane groups. An invalid document never replaces a valid one. */
import { compileLaneGroups, parseLaneGroups, type LaneRules, type ParsedLaneGroups, type Problem } from '@lane/core/rules';
import {
  BEATS_HOLD_MS,
  messageOf,
  runInLane,
  SILENT_LOG,
  SYSTEM_CLOCK,
  type Clock,
  type ConfigDocument,
  type ConfigStore,
  type Log,
  type SnapshotStore,
  type Unsubscribe,
} from '@lane/core/model';
import { LANE_GROUPS_DATA_ID, LANE_GROUPS_GROUP } from './document-id.js';
import { LaneGroupsError } from './lane-groups-error.js';
import { CACHE_LAG_MS, dropped, isStored, MAX_DROPPED } from './read-back.js';

/** Source of the lane groups in force. */
export interface LaneGroupsInfo {
  /** `snapshot`: remembered from an earlier run, until the store answers. */
  readonly origin: 'store' | 'snapshot' | 'file';
  /** MD5 of the document, for compare-and-set; only for `store`. */
  readonly md5: string | undefined;
}

/** Callbacks for a watcher of lane groups. */
export interface LaneGroupsOptions {
  readonly log?: Log | undefined;
  /** Gets the rules in force: once known, then at each change. undefined: there is no document. */
  readonly onRules: (rules: LaneRules | undefined, info: LaneGroupsInfo) => void;
  /** Called with a refused document, while the rules in force stay. */
  readonly onRefused?: ((problems: readonly Problem[]) => void) | undefined;
}

/** How many problems one log line names. */
const MAX_TOLD_PROBLEMS = 3;

/** Options of {@link watchLaneGroups}. */
export interface StoredLaneGroupsOptions extends LaneGroupsOptions {
  readonly snapshots?: SnapshotStore | undefined;
  /**
   * How long a store must report a missing document before that is believed, in milliseconds: a store that restarted
   * empty differs from one where somebody removed it. A document without groups takes effect at once. Default 40 s; 0: at once.
   */
  readonly holdMs?: number | undefined;
  /** Default: the time of the process. */
  readonly clock?: Clock | undefined;
}

/** Retry interval if the store can't be asked whether the document is still gone. */
const ASK_AGAIN_MS = 5_000;

/** Watches the lane groups in a store. With snapshots, the remembered ones are in force until the store answers. */
export function watchLaneGroups(store: ConfigStore, options: StoredLaneGroupsOptions): Unsubscribe {
  const { snapshots, log = SILENT_LOG, holdMs = BEATS_HOLD_MS, clock = SYSTEM_CLOCK } = options;
  let groups = 0;
  let cancel = (): void => {};
  let hasLeft = false;
  const onRules: LaneGroupsOptions['onRules'] = (rules, info) => {
    groups = rules?.document.groups.length ?? 0;
    options.onRules(rules, info);
  };
  const take = createIntake({ ...options, onRules }, `the document ${LANE_GROUPS_DATA_ID} (group ${LANE_GROUPS_GROUP})`, 'publish a valid one');
  const remembered = snapshots?.loadDocument(LANE_GROUPS_DATA_ID);
  if (remembered !== undefined) take(remembered, { origin: 'snapshot', md5: undefined });

  const put = (document: ConfigDocument | undefined): void => {
    const taken = take(document?.content, { origin: 'store', md5: document?.md5 });
    if (taken) snapshots?.saveDocument(LANE_GROUPS_DATA_ID, document?.content);
  };
  // A new answer of the store ends the wait.
  const askIn = (ms: number): void => {
    const stop = clock.after(ms, () => {
      let isOver = false;
      cancel = () => (isOver = true);
      store.get(LANE_GROUPS_DATA_ID, LANE_GROUPS_GROUP).then(
        (document) => {
          if (isOver) return;
          if (document === undefined) log.warn(`the document ${LANE_GROUPS_DATA_ID} has not come back: no lane group is in force any more`);
          put(document);
        },
        () => {
          if (!isOver) askIn(ASK_AGAIN_MS);
        },
      );
    });
    cancel = stop;
  };
  const stopWatching = store.watch(LANE_GROUPS_DATA_ID, LANE_GROUPS_GROUP, (document) => {
    cancel();
    if (hasLeft) return;
    if (document !== undefined || groups === 0 || !(holdMs > 0)) {
      put(document);
      return;
    }
    log.warn(
      `the document ${LANE_GROUPS_DATA_ID} (group ${LANE_GROUPS_GROUP}) is gone. The lane groups stay in force for ${holdMs / 1_000} s, because the server may have lost it; ` +
        'to disable them at once, publish a document without groups',
    );
    askIn(holdMs);
  });
  return () => {
    hasLeft = true;
    cancel();
    stopWatching();
  };
}

const FILE_SETTLE_MS = 50;
const FILE_AWAY_MS = 300;
const FILE_POLL_MS = 1_000;
/** With a watcher, polling only covers what watchers miss, such as network file systems. */
const WATCHED_FILE_POLL_MS = 5_000;

/** Options of {@link watchLaneGroupsFile}. */
export interface LaneGroupsFileOptions extends LaneGroupsOptions {
  /** Parser for files in another format than JSON. Must not throw. */
  readonly parse?: ((text: string) => ParsedLaneGroups) | undefined;
}

/** Watches the lane groups in a file. It is read before this returns, and again at each change; a missing file is like a missing document. */
export function watchLaneGroupsFile(path: string, options: LaneGroupsFileOptions): Unsubscribe {
  return runInLane(undefined, () => watchFile(path, options));
}

function watchFile(path: string, options: LaneGroupsFileOptions): Unsubscribe {
  const fs = require('node:fs') as typeof import('node:fs');
  const nodePath = require('node:path') as typeof import('node:path');
  const log = options.log ?? SILENT_LOG;
  const take = createIntake(options, `the file ${path}`, 'mend it', options.parse);
  let last: string | undefined | null = null;
  let lastProblem: string | undefined;
  let wasMissing = false;
  let settling: NodeJS.Timeout | undefined;
  let closed = false;

  function readSoon(afterMs: number): void {
    if (settling !== undefined || closed) return;
    settling = setTimeout(() => {
      settling = undefined;
      read();
    }, afterMs);
    settling.unref();
  }

  function read(): void {
    if (closed) return;
    let content: string | undefined;
    try {
      content = fs.readFileSync(path, 'utf8');
      lastProblem = undefined;
      wasMissing = false;
    } catch (error) {
      // A file may be missing for a moment while it is replaced.
      if (typeof last === 'string' && !wasMissing) {
        wasMissing = true;
        readSoon(FILE_AWAY_MS);
        return;
      }
      const problem = messageOf(error);
      if (problem !== lastProblem) log.warn(`there are no lane groups: the file ${path} can't be read (${problem}). Check LANE_RULES`);
      lastProblem = problem;
    }
    if (content === last) return;
    last = content;
    take(content, { origin: 'file', md5: undefined });
  }
  read();

  // Watch the folder, not the file: editors and Kubernetes replace the file.
  let watcher: import('node:fs').FSWatcher | undefined;
  try {
    watcher = fs.watch(nodePath.dirname(path), { persistent: false }, () => readSoon(FILE_SETTLE_MS));
    watcher.on('error', () => {
      watcher?.close();
      watcher = undefined;
      poll(FILE_POLL_MS);
    });
  } catch {
    // No such folder yet, or no watchers left: polling suffices.
  }
  let polling: NodeJS.Timeout | undefined;
  function poll(everyMs: number): void {
    clearInterval(polling);
    if (closed) return;
    polling = setInterval(read, everyMs);
    polling.unref();
  }
  poll(watcher === undefined ? FILE_POLL_MS : WATCHED_FILE_POLL_MS);

  return () => {
    closed = true;
    watcher?.close();
    clearTimeout(settling);
    clearInterval(polling);
  };
}

/** Takes texts of documents as they arrive; returns whether one is in force. */
function createIntake(
  options: LaneGroupsOptions,
  what: string,
  remedy: string,
  parse: (text: string) => ParsedLaneGroups = parseLaneGroups,
): (content: string | undefined, info: LaneGroupsInfo) => boolean {
  const log = options.log ?? SILENT_LOG;
  let refused: string | undefined;
  return (content, info) => {
    if (content === undefined) {
      refused = undefined;
      options.onRules(undefined, info);
      return true;
    }
    const parsed = parse(content);
    if (parsed.ok) {
      refused = undefined;
      options.onRules(compileLaneGroups(parsed.document), info);
      return true;
    }
    // A corrupt snapshot is not worth a message.
    if (info.origin === 'snapshot') return false;
    if (content !== refused) {
      refused = content;
      log.error(`${what} is invalid and ignored; the last valid one stays in force: ${tell(parsed.problems)}. To change the lane groups, ${remedy}`);
      options.onRefused?.(parsed.problems);
    }
    return false;
  };
}

function tell(problems: readonly Problem[]): string {
  const told = problems.slice(0, MAX_TOLD_PROBLEMS).map(({ path, message }) => `${path === '' ? '/' : path}: ${message}`);
  const more = problems.length - told.length;
  return told.join('; ') + (more > 0 ? `; and ${more} more` : '');
}

/** The error for lane groups that are not valid. */
export class InvalidLaneGroupsError extends LaneGroupsError {
  readonly problems: readonly Problem[];

  constructor(problems: readonly Problem[], what = 'these lane groups are not valid, and were not published') {
    super('ELANE_INVALID_LANE_GROUPS', `${what}: ${tell(problems)}`);
    this.name = 'InvalidLaneGroupsError';
    this.problems = problems;
  }
}

/**
 * Publishes lane groups, given as a document or as its text. With `casMd5` only if the stored document still has that md5.
 * Resolves once it is stored. Rejects with an InvalidLaneGroupsError before anything is sent, or with code `ELANE_CONFLICT` or `ELANE_NOT_STORED`.
 */
export async function publishLaneGroups(store: ConfigStore, document: unknown, options: { casMd5?: string } = {}): Promise<void> {
  const content = typeof document === 'string' ? document : `${JSON.stringify(document, null, 2)}\n`;
  const parsed = parseLaneGroups(content);
  if (!parsed.ok) throw new InvalidLaneGroupsError(parsed.problems);
  for (let tries = 0; tries < MAX_DROPPED; tries++) {
    await store.publish(LANE_GROUPS_DATA_ID, LANE_GROUPS_GROUP, content, { type: 'json', ...options });
    if (await isStored(store, content, CACHE_LAG_MS)) return;
  }
  throw dropped();
}
