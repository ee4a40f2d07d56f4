/** The tag in messages: written into their headers by who sends, and read by who handles them. */
import { currentContext, enterContext, laneContext, writeLane, type HeaderLines, type LaneContext } from '@lane/core/model';
import type { Messaging } from './messaging.js';

/** Headers of a message as most brokers' clients have them: values are text or bytes. */
export type MessageHeaders = Record<string, unknown>;

/** The headers of a message to send, with the lane at hand; a copy, unless there is nothing to write. */
export function withLane<H extends MessageHeaders | null | undefined>(headers: H, { codec }: Messaging): H | MessageHeaders {
  const context = currentContext();
  if (context === undefined) return headers;
  const copy: MessageHeaders = {};
  // Inherited ones, too: amqplib makes its headers with the app's as their prototype.
  for (const name in headers) copy[name] = headers[name];
  writeLane(context, codec, {
    areAttachments: true,
    get: (name) => linesOf(copy[name]),
    set: (name, value) => void (copy[name] = value),
    remove: (name) => void delete copy[name],
  });
  return copy;
}

/** The lane in which a message is handled: its tag's, or base. What names tags of other services goes on with what is done then. */
export function laneOfMessage(headers: MessageHeaders | null | undefined, { codec, tables }: Messaging): LaneContext {
  if (headers === null || headers === undefined) return laneContext(undefined);
  const lines = (name: string): HeaderLines => linesOf(headers[name]);
  const tag = codec.read(lines);
  if (tag !== undefined && tables.rules?.isDisabledTag(tag) === true) return laneContext(undefined);
  return laneContext(tag, codec.carriedIn?.(lines));
}

/** Runs the handler of a message in its lane; without one, and with none to get away from, things stay as they are. */
export function handleInLane<A extends unknown[], R>(context: LaneContext, handler: (...args: A) => R, self: unknown, args: A): R {
  if (context.tag === undefined && context.carried === undefined && currentContext() === undefined) return Reflect.apply(handler, self, args);
  return enterContext(context, handler, self, args);
}

function linesOf(value: unknown): HeaderLines {
  if (value === undefined || value === null) return undefined;
  if (Array.isArray(value)) return value.map(String);
  return typeof value === 'string' ? value : value instanceof Uint8Array ? new TextDecoder().decode(value) : undefined;
}
