/**
 * Isolation on Kafka, like Sermant's: a lane's consumers form their own group. Each group gets every
 * message and skips those that are not for it. A lane has a live consumer if its group has members. When the last one leaves,
 * base rereads from where that group stopped, only for that lane's messages.
 *
 * At least once: while a lane's consumers start, base and the lane both handle some messages. A lane that comes back resumes
 * where it stopped, with messages that base has handled meanwhile.
 */
import type { Tag } from '@lane/core/model';
import type { Messaging } from '../messaging.js';
import { createTakes, nameInLane, type Takes } from './takes.js';

const HOLDS_MS = 2000;

interface Place {
  readonly topic: string;
  readonly partition: number;
}
interface Admin {
  connect(): Promise<void>;
  disconnect(): Promise<void>;
  describeGroups(ids: string[]): Promise<{ groups: Array<{ members: unknown[] }> }>;
  fetchOffsets(of: {
    groupId: string;
    topics: string[];
  }): Promise<Array<{ topic: string; partitions: Array<{ partition: number; offset: string }> }>>;
}
/** A client of the broker: KafkaJS' Kafka, or one with its interface. */
export interface Kafka {
  admin(): Admin;
}
interface Consumer {
  seek(to: Place & { offset: string }): void;
}
/** A message and its position. */
export interface Standing extends Place {
  readonly offset: string;
  readonly tag: Tag | undefined;
}

/** What is reread in a partition. */
interface Replay {
  /** The first offset not seen yet. */
  until: bigint;
  begun: boolean;
  readonly lanes: Map<Tag, bigint>;
}

/** An isolated group of consumers: decides what its consumer takes. */
export class IsolatedGroup {
  /** The group to join. */
  readonly groupId: string;
  /** A lane's group without an offset starts with new messages: base has had the rest. */
  readonly startsNow: boolean;

  readonly #kafka: Kafka;
  readonly #base: string;
  readonly #runtime: Messaging;
  readonly #takes: Takes;
  #admin: Promise<Admin> | undefined;
  #consumer: Consumer | undefined;
  #closed = false;
  /** By partition: the offset after what has been handled. */
  #positions = new Map<string, bigint>();
  /** By lane and partition: the first offset left to that lane. */
  #left = new Map<Tag, Map<string, bigint>>();
  #replays = new Map<string, Replay>();

  constructor(kafka: Kafka, groupId: string, runtime: Messaging) {
    const own = runtime.options.tag;
    this.#kafka = kafka;
    this.#base = groupId;
    this.#runtime = runtime;
    this.groupId = own === undefined ? groupId : nameInLane(groupId, own);
    this.startsNow = own !== undefined;
    this.#takes = createTakes(runtime, 'Kafka', {
      ask: async (tag) => {
        // Stop asking; otherwise the connection would keep the process alive.
        if (this.#closed) return false;
        const { groups } = await this.#ask((admin) => admin.describeGroups([nameInLane(groupId, tag)]));
        return groups.some(({ members }) => members.length > 0);
      },
      holds: HOLDS_MS,
      settles: HOLDS_MS,
      onGone: (tag) => {
        this.#takeOver(tag).catch((error: unknown) =>
          runtime.log.warn('LANE_MESSAGES=isolate: could not read the unhandled messages of a lane again', {
            group: nameInLane(groupId, tag),
            error: String(error),
          }),
        );
      },
    });
  }

  /** The consumer, once it exists. */
  set consumer(consumer: Consumer) {
    this.#consumer = consumer;
  }

  /** Whether this consumer handles a message. */
  async takes({ topic, partition, offset, tag }: Standing): Promise<boolean> {
    const key = keyOf({ topic, partition });
    const at = BigInt(offset);
    const replay = this.#replays.get(key);
    if (replay !== undefined) {
      if (at < replay.until) {
        replay.begun = true;
        const from = tag === undefined ? undefined : replay.lanes.get(tag);
        return from !== undefined && at >= from;
      }
      if (replay.begun) this.#replays.delete(key);
    }
    if (await this.#takes(tag)) return true;
    if (tag !== undefined && !this.startsNow) {
      const left = this.#left.get(tag) ?? new Map<string, bigint>();
      this.#left.set(tag, left);
      if (!left.has(key)) left.set(key, at);
    }
    return false;
  }

  /** A message has been handled or skipped; one whose handler throws comes again. */
  done(place: Place, offset: string): void {
    const key = keyOf(place);
    const next = BigInt(offset) + 1n;
    if (next > (this.#positions.get(key) ?? -1n)) this.#positions.set(key, next);
    const replay = this.#replays.get(key);
    if (replay !== undefined && !replay.begun && next > replay.until) replay.until = next;
  }

  /** The app seeks elsewhere: our knowledge of the partition is void. */
  sought(place: Place): void {
    this.#positions.delete(keyOf(place));
    this.#replays.delete(keyOf(place));
  }

  /** Partitions have been reassigned. */
  reassigned(): void {
    this.#positions.clear();
    this.#replays.clear();
    this.#left.clear();
  }

  /** The consumer has connected or reconnected. */
  open(): void {
    this.#closed = false;
  }

  /** The consumer has gone. */
  async close(): Promise<void> {
    this.#closed = true;
    this.reassigned();
    const admin = await this.#admin?.catch(() => undefined);
    this.#admin = undefined;
    await admin?.disconnect();
  }

  async #takeOver(tag: Tag): Promise<void> {
    const left = this.#left.get(tag);
    this.#left.delete(tag);
    if (left === undefined) return;
    const topics = [...new Set([...left.keys()].map((key) => placeOf(key).topic))];
    const stopped = new Map<string, bigint>();
    for (const { topic, partitions } of await this.#ask((admin) => admin.fetchOffsets({ groupId: nameInLane(this.#base, tag), topics })))
      for (const { partition, offset } of partitions) stopped.set(keyOf({ topic, partition }), BigInt(offset));
    for (const [key, first] of left) {
      const until = this.#positions.get(key);
      const committed = stopped.get(key) ?? -1n;
      const from = committed > first ? committed : first;
      if (until === undefined || from >= until) continue;
      const replay = this.#replays.get(key) ?? { until, begun: false, lanes: new Map<Tag, bigint>() };
      replay.lanes.set(tag, from);
      this.#replays.set(key, replay);
      this.#consumer?.seek({ ...placeOf(key), offset: String(from) });
      this.#runtime.log.info('a lane has no consumers left: reading its unread messages again', { lane: tag, ...placeOf(key), from: String(from) });
    }
  }

  async #ask<R>(question: (admin: Admin) => Promise<R>): Promise<R> {
    this.#admin ??= (async () => {
      const admin = this.#kafka.admin();
      await admin.connect();
      return admin;
    })();
    try {
      return await question(await this.#admin);
    } catch (error) {
      this.#admin = undefined;
      throw error;
    }
  }
}

function keyOf({ topic, partition }: Place): string {
  return `${partition} ${topic}`;
}

function placeOf(key: string): Place {
  const space = key.indexOf(' ');
  return { topic: key.slice(space + 1), partition: Number(key.slice(0, space)) };
}
