/**
 * Reads and changes the lane groups, so that concurrent writers do not lose each other's changes.
 *
 * Mechanism: a change is an edit of the stored document, written only if that is still stored (compare-and-set). Nacos compares over gRPC, and over
 * HTTP from 2.3 on; before that, the connection compares, and another change can arrive between its check and the write. So after each write we check in
 * Nacos's history, if there is one, what the write has replaced: if that is not what we had read, we merge both changes and write again. A document
 * is read back before it counts as published.
 * Limits: some servers neither compare nor have a history (rnacos): writes are only read back. On a server that does not compare, a writer
 * that dies between its write and the check of the history leaves a change overwritten; the history still has it. A server whose own transactions
 * overlap may record two changes as replacing the same document: the change that is missing afterwards is written again. On such a server each
 * change takes a second more, and longer while the server is slow or others write.
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

/** The stored lane groups. */
export interface StoredLaneGroups {
  /** Without groups if there is no document, or an invalid one. */
  readonly document: LaneGroupsDocument;
  /** Empty if there is no document. */
  readonly text: string;
  /** For compare-and-set; undefined: there is no document. */
  readonly md5: string | undefined;
  /** Problems of the stored document; agents use the last good one. */
  readonly problems: readonly Problem[];
}

/** Edits a document. May be called several times, each time with the current one; an error ends the change. */
export type LaneGroupsEdit = (document: LaneGroupsDocument) => LaneGroupsDocument;

/** Options of {@link LaneGroupsStore.change}. */
export interface ChangeOptions {
  /** Reject with `ELANE_CONFLICT` unless the stored document still has this md5; empty: unless there is none. */
  readonly casMd5?: string | undefined;
  /** Who changes it, for the history. */
  readonly by?: string | undefined;
}

/** The result of a change. */
export interface ChangeResult {
  readonly document: LaneGroupsDocument;
  readonly text: string;
  readonly md5: string;
  /** false: the edit had nothing to change, and nothing was written. */
  readonly isChanged: boolean;
  /** How often the edit was repeated because somebody else had changed the document meanwhile. */
  readonly conflicts: number;
  /**
   * What protects against others' changes being lost: `history`: the server's own record was checked; `comparison`: there is none (over gRPC), but
   * the server compared before it wrote; `read-back`: neither, the write was only read back.
   */
  readonly protection: 'history' | 'comparison' | 'read-back';
}

const MAX_ATTEMPTS = 30;
const MAX_PAUSE_MS = 400;
/**
 * A write that such a server began before ours was stored may still overwrite it, and the history then records both as replacing
 * the earlier document (seen with Nacos 2.1.1 under load). So we check for ours until nobody has written for this long, or for a
 * multiple of the slowest answer meanwhile: what delays another's write also delays our requests.
 */
const OVERLAP_MS = 1_000;
const OVERLAP_ANSWERS = 5;
const MAX_OVERLAP_MS = 15_000;

/** Changes the lane groups in Nacos. */
export class LaneGroupsStore {
  readonly #connection: VersionedConfigStore;
  /** undefined: not known yet. */
  #hasHistory: boolean | undefined;

  constructor(connection: VersionedConfigStore) {
    this.#connection = connection;
  }

  /** Reads the stored document. Rejects if Nacos can't be reached. */
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
   * Changes the lane groups. If somebody else changes them at the same time, the edit is repeated on top; with `casMd5` the
   * change is rejected with `ELANE_CONFLICT`, naming the other author. Rejects with an InvalidLaneGroupsError if the result, or the
   * document to edit, is invalid.
   */
  change(edit: LaneGroupsEdit, options: ChangeOptions = {}): Promise<ChangeResult> {
    return this.#change(edit, options, false);
  }

  /** Replaces any document, even an invalid one. Otherwise like {@link change}. */
  replace(document: LaneGroupsDocument, options: ChangeOptions = {}): Promise<ChangeResult> {
    return this.#change(() => document, options, true);
  }

  /** Versions from Nacos's history, latest first. Rejects with `ELANE_UNSUPPORTED` over gRPC. */
  history(options: { readonly limit?: number; readonly page?: number } = {}): Promise<LaneGroupsVersions> {
    return listVersions(this.#connection, options.page ?? 1, options.limit ?? 20);
  }

  /** A version with its text. Rejects with `ELANE_NOT_FOUND` if there is none, and with `ELANE_UNSUPPORTED` over gRPC. */
  version(id: string): Promise<LaneGroupsVersionText> {
    return readVersion(this.#connection, id);
  }

  /** Publishes an earlier version as a new one; rejects with `ELANE_CONFLICT` if something changes meanwhile. */
  async rollback(id: string, options: ChangeOptions = {}): Promise<ChangeResult> {
    const casMd5 = options.casMd5 ?? (await this.read()).md5 ?? '';
    const { text } = await this.version(id);
    if (text === undefined) {
      throw new LaneGroupsError('ELANE_NOT_FOUND', `version ${id} removed the lane groups, so it has no content: choose the version before it`);
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
      if (stored.problems.length > 0 && !mayReplaceInvalid) throw new InvalidLaneGroupsError(stored.problems, 'the stored lane groups are not valid');
      // Before serializing, which drops unknown fields.
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
      const slowestMs = performance.now() - start;
      let outcome = await this.#look(text, stored, latest, source);
      if (outcome.is === 'well' && hasHistory && !(await this.#compares(stored))) {
        outcome = await this.#lookUntilStill(text, stored, latest, source, slowestMs);
      }
      if (outcome.is === 'well') {
        // The caller may read from the cache next.
        if (source !== this.#connection) await isStored(this.#connection, text, CACHE_LAG_MS, stored.text);
        return { document, text, md5: outcome.md5, isChanged: true, conflicts, protection };
      }
      // The document that we read is still stored: nobody has changed it, so it is not a conflict.
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
    throw new LaneGroupsError('ELANE_CONFLICT', `others keep changing the lane groups (${MAX_ATTEMPTS} attempts): try again`);
  }

  /**
   * Where a change reads. On a server that does not compare, that is its history: its cache may still have our text after another writer has
   * overwritten it (seen with Nacos 2.1.1 under load), and a change that read the cache would consider itself done.
   */
  async #source(): Promise<Source> {
    const connection = this.#connection;
    const { getRecorded } = connection;
    if (getRecorded === undefined || (await connection.comparesBeforeWriting())) return connection;
    return { get: (dataId, group) => getRecorded.call(connection, dataId, group) };
  }

  /** Whether the server keeps a history; some servers with Nacos' API do not. */
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

  /** Whether the server itself compares with this before it writes. Over HTTP, Nacos does not compare for the first document. */
  async #compares({ md5 }: StoredLaneGroups): Promise<boolean> {
    return (md5 !== undefined || this.#connection.comparesCreation === true) && (await this.#connection.comparesBeforeWriting());
  }

  /** Outcome of a write: `well`; `lost`: not stored; `overwrote`: it has replaced something other than what was read. */
  async #look(text: string, read: StoredLaneGroups, latest: LaneGroupsVersion | undefined, source: Source): Promise<Outcome> {
    const md5 = md5Of(text);
    if (!(await this.#keepsHistory())) {
      // Any other text is a change made on top of ours, if the server compares; otherwise it may be older content of its cache.
      const before = (await this.#compares(read)) ? read.text : undefined;
      return (await isStored(source, text, CACHE_LAG_MS, before)) ? { is: 'well', md5 } : { is: 'lost' };
    }
    let isThere = await isStored(source, text, 0);
    let changes = await changesSince(this.#connection, latest?.id);
    let before = await Promise.all(changes.map((change) => textBefore(this.#connection, change)));
    // The result of a change is what the next change found, or what is stored.
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

  /** Checks again until nothing has been recorded for a while, while all is well, for at most {@link MAX_OVERLAP_MS}. `slowestMs`: how long the write took. */
  async #lookUntilStill(
    text: string,
    read: StoredLaneGroups,
    latest: LaneGroupsVersion | undefined,
    source: Source,
    slowestMs: number,
  ): Promise<Outcome> {
    const deadline = performance.now() + MAX_OVERLAP_MS;
    let last = await this.#lastChange();
    for (let waitedMs = 0; ;) {
      const start = performance.now();
      await pause(Math.min(MAX_OVERLAP_MS, Math.max(OVERLAP_MS, OVERLAP_ANSWERS * slowestMs) - waitedMs));
      waitedMs += performance.now() - start;
      const asked = performance.now();
      const change = await this.#lastChange();
      slowestMs = Math.max(slowestMs, performance.now() - asked);
      const outcome = await this.#look(text, read, latest, source);
      if (outcome.is !== 'well' || performance.now() > deadline) return outcome;
      if (change !== last) waitedMs = 0;
      else if (waitedMs >= OVERLAP_ANSWERS * slowestMs) return outcome;
      last = change;
    }
  }

  async #lastChange(): Promise<string | undefined> {
    const [latest] = (await this.history({ limit: 1 })).versions;
    return latest?.id;
  }

  /** What is stored, once the server's cache agrees with the latest change at least on whether there is a document. */
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
      `the lane groups have changed since they were read${who}. Read them again, and apply the change to the new content`,
    );
  }
}

/** How to read the document. */
type Source = Pick<VersionedConfigStore, 'get'>;

type Outcome =
  | { readonly is: 'well'; readonly md5: string }
  | { readonly is: 'lost' }
  | { readonly is: 'overwrote'; readonly text: string | undefined };

/**
 * Restores in a document what our change has overwritten, and our change if somebody has overwritten it in turn. Leaves the
 * rest unchanged.
 */
function restoring(overwritten: string | undefined, base: LaneGroupsDocument, own: LaneGroupsDocument, edit: LaneGroupsEdit): LaneGroupsEdit {
  const parsed = overwritten === undefined ? undefined : parseLaneGroups(overwritten);
  // Nothing to restore: a removal, or an invalid document.
  const theirs = parsed?.ok === true ? parsed.document : base;
  const ownText = laneGroupsToJson(own);
  return (document) => {
    const withTheirs = mergeLaneGroups(base, document, theirs);
    // As if we had read theirs in the first place.
    if (withTheirs.conflicts.length > 0 && laneGroupsToJson(document) === ownText) return edit(theirs);
    const withBoth = mergeLaneGroups(base, withTheirs.document, own);
    const conflicts = [...withTheirs.conflicts, ...withBoth.conflicts];
    if (conflicts.length === 0) return withBoth.document;
    throw new LaneGroupsError(
      'ELANE_CONFLICT',
      `somebody else changed ${conflicts.join(', ')} of the lane groups at the same time, and their change was overwritten: see lane group history`,
    );
  };
}

function md5Of(text: string): string {
  const { createHash } = require('node:crypto') as typeof import('node:crypto');
  return createHash('md5').update(text).digest('hex');
}
