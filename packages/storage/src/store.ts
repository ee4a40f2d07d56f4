/**
 * Reads and changes the lane groups, so that of several writers none loses another's change.
 *
 * Mechanism: a change is an edit of what is there, written only if that is there still (compare-and-set). Nacos compares over gRPC, and over HTTP
 * from 2.3 on; before, the connection does, and between its look and the write another's change can come. So Nacos's history is asked after
 * each write, where there is one, what it has replaced: where that is not what had been read, both changes are put together and written again.
 * What a server says that it has taken is read back before it is called published.
 * Limits: some servers neither compare nor have a history (rnacos): what is written is read back only. On a server that does not compare, a writer that dies
 * between its write and the look at the history leaves a change overwritten, which the history still has. A server whose own
 * transactions overlap may record the same document as replaced by two: the one that is not there afterwards is written again,
 * which on such a server takes half a second more for each change, and longer while it is slow or others write.
 */
import { mergeLaneGroups, laneGroupsToJson, NO_LANE_GROUPS, parseLaneGroups, type LaneGroupsDocument, type Problem } from '@lane/core/rules';
import { codeOf, type VersionedConfigStore } from '@lane/core/model';
import {
  changesSince,
  listVersions,
  readVersion,
  textBefore,
  type LaneGroupsVersion,
  type LaneGroupsVersions,
  type LaneGroupsVersionText,
} from './history.js';
import { LANE_GROUPS_DATA_ID, LANE_GROUPS_GROUP } from './document-id.js';
import { InvalidLaneGroupsError } from './source.js';
import { CACHE_LAG_MS, CACHE_POLL_MS, dropped, isStored, MAX_DROPPED, pause } from './read-back.js';
import { LaneGroupsError } from './lane-groups-error.js';

/** The lane groups as they are stored. */
export interface StoredLaneGroups {
  /** Without groups where there is no document, or where it is not valid. */
  readonly document: LaneGroupsDocument;
  /** Empty where there is no document. */
  readonly text: string;
  /** For compare-and-set; undefined: there is no document. */
  readonly md5: string | undefined;
  /** What is wrong with the stored document; agents go by the last good one. */
  readonly problems: readonly Problem[];
}

/** Makes another document of one. It may be called several times, each time with what is stored then; what it throws ends the change. */
export type LaneGroupsEdit = (document: LaneGroupsDocument) => LaneGroupsDocument;

/** Options of {@link LaneGroupsStore.change}. */
export interface ChangeOptions {
  /** Reject with `ELANE_CONFLICT` unless the stored document has this md5 still; empty: unless there is none. */
  readonly casMd5?: string | undefined;
  /** Who changes it, for the history. */
  readonly by?: string | undefined;
}

/** What a change came to. */
export interface ChangeResult {
  readonly document: LaneGroupsDocument;
  readonly text: string;
  readonly md5: string;
  /** false: the edit had nothing to change, and nothing was written. */
  readonly isChanged: boolean;
  /** How often the edit was made anew because somebody else had changed the document meanwhile. */
  readonly conflicts: number;
  /**
   * What protects against others' changes being lost: `history`, the server's own record has been looked at; `comparison`, without one (over gRPC),
   * the server has compared before it wrote; `read-back`, neither, only that what was written is there.
   */
  readonly protection: 'history' | 'comparison' | 'read-back';
}

const MAX_ATTEMPTS = 30;
const MAX_PAUSE_MS = 400;
/**
 * A write that such a server has begun before ours was there may still be put over it, and its history then says of both that they
 * have replaced what was there before (seen with Nacos 2.1.1 under load): ours is looked for until nobody has written for so
 * long, or for a multiple of what ours took.
 */
const OVERLAP_MS = 500;
const OVERLAP_WRITES = 4;
const MAX_OVERLAP_MS = 10_000;

/** The lane groups in Nacos, for whoever changes them. */
export class LaneGroupsStore {
  readonly #connection: VersionedConfigStore;
  /** undefined: not known yet. */
  #hasHistory: boolean | undefined;

  constructor(connection: VersionedConfigStore) {
    this.#connection = connection;
  }

  /** Reads what is stored now. Rejects where Nacos can't be reached. */
  read(): Promise<StoredLaneGroups> {
    return this.#read(this.#connection);
  }

  async #read(source: Source): Promise<StoredLaneGroups> {
    const stored = await source.get(LANE_GROUPS_DATA_ID, LANE_GROUPS_GROUP);
    if (stored === undefined) return { document: NO_LANE_GROUPS, text: '', md5: undefined, problems: [] };
    const parsed = parseLaneGroups(stored.content);
    return parsed.ok
      ? { document: parsed.document, text: stored.content, md5: stored.md5, problems: [] }
      : { document: NO_LANE_GROUPS, text: stored.content, md5: stored.md5, problems: parsed.problems };
  }

  /**
   * Changes the lane groups. Where somebody else changes them at the same time, the edit is made again upon theirs; with `casMd5` the
   * change is rejected with `ELANE_CONFLICT`, saying who it was. Rejects with an InvalidLaneGroupsError where the outcome, or what the
   * edit would have to start from, is not valid.
   */
  change(edit: LaneGroupsEdit, options: ChangeOptions = {}): Promise<ChangeResult> {
    return this.#change(edit, options, false);
  }

  /** Replaces whatever there is, be it invalid. Otherwise like {@link change}. */
  replace(document: LaneGroupsDocument, options: ChangeOptions = {}): Promise<ChangeResult> {
    return this.#change(() => document, options, true);
  }

  /** Versions from Nacos's history, the latest first. Rejects with `ELANE_UNSUPPORTED` over gRPC. */
  history(options: { readonly limit?: number; readonly page?: number } = {}): Promise<LaneGroupsVersions> {
    return listVersions(this.#connection, options.page ?? 1, options.limit ?? 20);
  }

  /** A version with its text. Rejects with `ELANE_NOT_FOUND` where there is none, and with `ELANE_UNSUPPORTED` over gRPC. */
  version(id: string): Promise<LaneGroupsVersionText> {
    return readVersion(this.#connection, id);
  }

  /** Publishes an earlier version again, as a new one; unless something changes meanwhile, which is told as `ELANE_CONFLICT`. */
  async rollback(id: string, options: ChangeOptions = {}): Promise<ChangeResult> {
    const casMd5 = options.casMd5 ?? (await this.read()).md5 ?? '';
    const { text } = await this.version(id);
    if (text === undefined) {
      throw new LaneGroupsError('ELANE_NOT_FOUND', `version ${id} is the removal of the lane groups, and has none: choose the version before it`);
    }
    const parsed = parseLaneGroups(text);
    if (!parsed.ok) throw new InvalidLaneGroupsError(parsed.problems);
    return this.replace(parsed.document, { ...options, casMd5 });
  }

  async #change(firstEdit: LaneGroupsEdit, options: ChangeOptions, mayReplaceInvalid: boolean): Promise<ChangeResult> {
    const { casMd5, by } = options;
    const hasHistory = await this.#keepsHistory();
    const source = await this.#source();
    let edit = firstEdit;
    let drops = 0;
    for (let conflicts = 0; conflicts < MAX_ATTEMPTS; conflicts++) {
      if (conflicts > 0) await pause(Math.random() * Math.min(MAX_PAUSE_MS, 20 * 2 ** conflicts));
      const [latest] = hasHistory ? (await this.history({ limit: 1 })).versions : [];
      const stored = await this.#readAfter(latest, source);
      if (casMd5 !== undefined && conflicts === 0 && casMd5 !== (stored.md5 ?? '')) throw await this.#conflict();
      if (stored.problems.length > 0 && !mayReplaceInvalid) throw new InvalidLaneGroupsError(stored.problems, 'what is stored is not valid');
      // Before it becomes a text, which has none of the fields that are not known.
      const parsed = parseLaneGroups(edit(stored.document));
      if (!parsed.ok) throw new InvalidLaneGroupsError(parsed.problems);
      const { document } = parsed;
      const text = laneGroupsToJson(document);
      const protection = hasHistory ? 'history' : (await this.#compares(stored)) ? 'comparison' : 'read-back';
      if (text === stored.text) return { document, text, md5: stored.md5 as string, isChanged: conflicts > 0, conflicts, protection };
      const start = performance.now();
      try {
        await this.#connection.publish(LANE_GROUPS_DATA_ID, LANE_GROUPS_GROUP, text, {
          type: 'json',
          by,
          casMd5: stored.md5 ?? '',
        });
      } catch (error) {
        if (codeOf(error) !== 'ELANE_CONFLICT') throw error;
        if (casMd5 !== undefined) throw await this.#conflict();
        continue;
      }
      const overlapMs = Math.min(MAX_OVERLAP_MS, Math.max(OVERLAP_MS, OVERLAP_WRITES * (performance.now() - start)));
      let outcome = await this.#look(text, stored, latest, source);
      if (outcome.is === 'well' && hasHistory && !(await this.#compares(stored))) {
        outcome = await this.#lookUntilStill(text, stored, latest, source, overlapMs);
      }
      if (outcome.is === 'well') {
        // Whoever is told that it is done may read it in the cache next.
        if (source !== this.#connection) await isStored(this.#connection, text, CACHE_LAG_MS, stored.text);
        return { document, text, md5: outcome.md5, isChanged: true, conflicts, protection };
      }
      // What had been read is there still: nobody has changed it, and it is no conflict.
      if (outcome.is === 'lost' && (await isStored(source, stored.text, 0))) {
        if (++drops === MAX_DROPPED) throw dropped();
        conflicts--;
        continue;
      }
      if (outcome.is === 'overwrote' && casMd5 !== undefined) {
        await this.#putBack(outcome.text, text, by);
        throw await this.#conflict();
      }
      if (outcome.is === 'overwrote') edit = restoring(outcome.text, stored.document, parsed.document, edit);
      else if (casMd5 !== undefined) throw await this.#conflict();
    }
    throw new LaneGroupsError('ELANE_CONFLICT', `the lane groups change faster than they can be changed here (${MAX_ATTEMPTS} attempts): try again`);
  }

  /**
   * Where a change reads. With a server that does not compare that is what it has recorded: its cache may have ours still where another's has been put
   * over it (seen with Nacos 2.1.1 under load), and a change that reads there takes itself for done.
   */
  async #source(): Promise<Source> {
    const connection = this.#connection;
    const { getRecorded } = connection;
    if (getRecorded === undefined || (await connection.comparesBeforeWriting())) return connection;
    return { get: (dataId, group) => getRecorded.call(connection, dataId, group) };
  }

  /** Whether the server keeps changes; some do not, whatever they have of Nacos' API else. */
  async #keepsHistory(): Promise<boolean> {
    if (!this.#connection.keepsHistory) return false;
    if (this.#hasHistory === undefined) {
      try {
        await this.history({ limit: 1 });
        this.#hasHistory = true;
      } catch (error) {
        if (codeOf(error) !== 'ELANE_UNSUPPORTED') throw error;
        this.#hasHistory = false;
      }
    }
    return this.#hasHistory;
  }

  /** Whether the server itself compares with this before it writes. Over HTTP Nacos compares no first document. */
  async #compares({ md5 }: StoredLaneGroups): Promise<boolean> {
    return (md5 !== undefined || this.#connection.comparesCreation === true) && (await this.#connection.comparesBeforeWriting());
  }

  /** What became of a write: `well`; `lost`, it is not there; `overwrote`, it has replaced something else than what had been read. */
  async #look(text: string, read: StoredLaneGroups, latest: LaneGroupsVersion | undefined, source: Source): Promise<Outcome> {
    const md5 = md5Of(text);
    if (!(await this.#keepsHistory())) {
      // What is neither is the change of somebody who has seen ours, if the server compares; else it may be what its cache had before.
      const before = (await this.#compares(read)) ? read.text : undefined;
      return (await isStored(source, text, CACHE_LAG_MS, before)) ? { is: 'well', md5 } : { is: 'lost' };
    }
    let isThere = await isStored(source, text, 0);
    let changes = await changesSince(this.#connection, latest?.id);
    let before = await Promise.all(changes.map((change) => textBefore(this.#connection, change)));
    // What a change has left is what the next one has found, or what is stored.
    if (!isThere && !before.includes(text)) {
      isThere = await isStored(source, text, CACHE_LAG_MS);
      changes = await changesSince(this.#connection, latest?.id);
      before = await Promise.all(changes.map((change) => textBefore(this.#connection, change)));
    }
    if (changes.length === 0) return isThere ? { is: 'well', md5 } : { is: 'lost' };
    const own = changes.length === 1 || isThere ? changes.length - 1 : before.lastIndexOf(text) - 1;
    if (own < 0) return { is: 'lost' };
    const replaced = before[own];
    return (replaced ?? '') === read.text ? { is: 'well', md5 } : { is: 'overwrote', text: replaced };
  }

  /** Looks again until nothing has been recorded for a time, as long as all is well, and for {@link MAX_OVERLAP_MS} at most. */
  async #lookUntilStill(
    text: string,
    read: StoredLaneGroups,
    latest: LaneGroupsVersion | undefined,
    source: Source,
    overlapMs: number,
  ): Promise<Outcome> {
    const deadline = performance.now() + MAX_OVERLAP_MS;
    let last = await this.#lastChange();
    for (;;) {
      await pause(overlapMs);
      const change = await this.#lastChange();
      const outcome = await this.#look(text, read, latest, source);
      if (outcome.is !== 'well' || change === last || performance.now() > deadline) return outcome;
      last = change;
    }
  }

  async #lastChange(): Promise<string | undefined> {
    const [latest] = (await this.history({ limit: 1 })).versions;
    return latest?.id;
  }

  /** What is stored, once the server's cache has followed the latest change at least as to whether there is a document. */
  async #readAfter(latest: LaneGroupsVersion | undefined, source: Source): Promise<StoredLaneGroups> {
    const deadline = performance.now() + CACHE_LAG_MS;
    for (;;) {
      const stored = await this.#read(source);
      const isBehind = latest !== undefined && (latest.kind === 'removed') !== (stored.md5 === undefined);
      if (!isBehind || performance.now() > deadline) return stored;
      await pause(CACHE_POLL_MS);
    }
  }

  /** Undoes a write that should have been refused, if nobody has changed the document since. */
  async #putBack(text: string | undefined, own: string, by: string | undefined): Promise<void> {
    try {
      if (text !== undefined) await this.#connection.publish(LANE_GROUPS_DATA_ID, LANE_GROUPS_GROUP, text, { type: 'json', by, casMd5: md5Of(own) });
    } catch (error) {
      if (codeOf(error) !== 'ELANE_CONFLICT') throw error;
    }
  }

  async #conflict(): Promise<LaneGroupsError> {
    let who = '';
    if (await this.#keepsHistory()) {
      const [latest] = (await this.history({ limit: 1 })).versions;
      if (latest !== undefined) {
        const { id, kind, by, at, from } = latest;
        who = `: ${kind}${by === undefined ? '' : ` by ${by}`}${from === undefined ? '' : ` from ${from}`}${at === undefined ? '' : ` at ${at}`} (version ${id})`;
      }
    }
    return new LaneGroupsError(
      'ELANE_CONFLICT',
      `the lane groups have changed since they were read${who}. Read them again, and apply the change to what they say now`,
    );
  }
}

/** Where the document is read. */
type Source = Pick<VersionedConfigStore, 'get'>;

type Outcome =
  | { readonly is: 'well'; readonly md5: string }
  | { readonly is: 'lost' }
  | { readonly is: 'overwrote'; readonly text: string | undefined };

/**
 * Puts back into a document what our change has overwritten, and our change too, where somebody has overwritten that in turn. What is
 * there already stays as it is.
 */
function restoring(overwritten: string | undefined, base: LaneGroupsDocument, own: LaneGroupsDocument, edit: LaneGroupsEdit): LaneGroupsEdit {
  const parsed = overwritten === undefined ? undefined : parseLaneGroups(overwritten);
  // Nothing that could be put back: a removal, or what nobody goes by.
  const theirs = parsed?.ok === true ? parsed.document : base;
  const ownText = laneGroupsToJson(own);
  return (document) => {
    const withTheirs = mergeLaneGroups(base, document, theirs);
    // As if theirs had been read in the first place.
    if (withTheirs.conflicts.length > 0 && laneGroupsToJson(document) === ownText) return edit(theirs);
    const withBoth = mergeLaneGroups(base, withTheirs.document, own);
    const conflicts = [...withTheirs.conflicts, ...withBoth.conflicts];
    if (conflicts.length === 0) return withBoth.document;
    throw new LaneGroupsError(
      'ELANE_CONFLICT',
      `somebody else has changed ${conflicts.join(', ')} of the lane groups at the same time, and their change is overwritten: look at lane group history`,
    );
  };
}

function md5Of(text: string): string {
  const { createHash } = require('node:crypto') as typeof import('node:crypto');
  return createHash('md5').update(text).digest('hex');
}
