/**
 * Isolation in NATS. A lane's consumers form their own queue group. Each group gets every message and skips
 * those that are not for it. A lane has a live consumer if somebody answers on a subject that its consumers listen to; the server
 * reports at once if nobody does. We ask for each tagged message, because a skipped message is gone.
 *
 * Limits: JetStream, whose consumers are the server's.
 */
import type { Tag } from '@lane/core/model';
import { wrap } from '../../patching/wrap.js';
import type { Messaging } from '../messaging.js';
import { createTakes, handleTaken, nameInLane } from './takes.js';

const PRESENCE = '_LANE.consumers';
const ASK_TIMEOUT_MS = 1000;

interface Presence {
  unsubscribe(): void;
}
/** A subscription that is being created. */
export interface Subscription {
  readonly subject: string;
  queue?: string;
  readonly closed: Promise<unknown>;
}
/** The connection of an app. */
interface Connection {
  subscribe(subject: string, options: object): Presence;
  request(subject: string, data: undefined, options: object): Promise<unknown>;
}
/** Its inner protocol handler. */
export interface Protocol {
  readonly publisher: Connection;
  readonly parser: { parse(chunk: Uint8Array): void };
  /** Replaced after a reconnect. What it has read waits in `yields`; `signal` wakes the reader. */
  readonly transport: { readonly yields?: Uint8Array[]; readonly signal?: { resolve(): void } };
}
/** Handles a message with this tag, if it is for this subscription. */
export type Handles = (tag: Tag | undefined, handle: () => unknown) => unknown;

/** Isolates a subscription: returns the handler for its messages, or undefined if it is not the app's own. */
export function isolateSubscription(subscription: Subscription, protocol: Protocol, runtime: Messaging): Handles | undefined {
  const { subject, queue = '' } = subscription;
  if (/^[_$]/.test(subject)) return undefined;
  const own = runtime.options.tag;
  const connection = protocol.publisher;
  const ask = async (tag: Tag): Promise<boolean> => {
    try {
      await connection.request(presenceOf(subject, queue, tag), undefined, { timeout: ASK_TIMEOUT_MS });
      return true;
    } catch (error) {
      if (isNobody(error as NatsError)) return false;
      throw error;
    }
  };
  if (own !== undefined) {
    if (queue !== '') subscription.queue = nameInLane(queue, own);
    // After the subscription itself, so that whoever answers already listens.
    setImmediate(() => {
      const presence = connection.subscribe(presenceOf(subject, queue, own), {
        queue: 'lane',
        callback: (_: unknown, message: { respond(): void } | undefined) => message?.respond(),
      });
      void subscription.closed.then(() => presence.unsubscribe());
    });
  }
  const takes = createTakes(runtime, 'NATS', { ask, holds: 0 });
  const thrown = (error: unknown): void => throwIntoReader(protocol, error);
  return (tag, handle) => handleTaken(takes(tag), handle, () => undefined, thrown);
}

/**
 * Without us, a callback that throws throws in `parse`, as the connection is read: the client reports `reader closed`, stops reading this
 * connection, and opens another one once its pings go unanswered. So we make `parse` throw, once, at an empty chunk.
 */
function throwIntoReader(protocol: Protocol, error: unknown): void {
  const { parser, transport } = protocol;
  type Parse = typeof parser.parse;
  const throwOnce = (original: Parse): Parse =>
    function parse(this: unknown, chunk) {
      undo?.();
      // Its connection is gone.
      if (protocol.transport !== transport) return original.call(this as typeof parser, chunk);
      throw error;
    };
  // Under a unique party: another callback may throw before this is read.
  const undo = wrap(parser, 'parse', throwOnce, Symbol('lane.thrown'));
  transport.yields?.push(new Uint8Array(0));
  transport.signal?.resolve();
}

interface NatsError {
  readonly code?: string;
  readonly name?: string;
  isNoResponders?(): boolean;
}

/** No responders, or no answer in time: a code, and since version 3 a class. */
function isNobody(error: NatsError): boolean {
  return error.code === '503' || error.code === 'TIMEOUT' || error.name === 'TimeoutError' || error.isNoResponders?.() === true;
}

/** A subject for each subscription; those may have wildcards. */
function presenceOf(subject: string, queue: string, tag: Tag): string {
  const token = Buffer.from(`${subject} ${queue} ${tag}`).toString('base64url');
  return `${PRESENCE}.${token}`;
}
