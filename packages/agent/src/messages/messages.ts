/** The tag in messages: the sender writes it into their headers, the handler reads it. */
import { currentContext, enterContext, laneContext, writeLane, type HeaderLines, type LaneContext } from '@lane/core/model';
import type { Messaging } from './messaging.js';

/** Headers of a message in most brokers' clients: values are strings or bytes. */
export type MessageHeaders = Record<string, unknown>;

/** The headers of a message to send, with the current lane; a copy, unless there is nothing to write. */
export function withLane<H extends MessageHeaders | null | undefined>(headers: H, { codec }: Messaging): H | MessageHeaders {
  const context = currentContext();
  if (context === undefined) return headers;
  const copy: MessageHeaders = {};
  // Inherited ones, too: amqplib creates its headers with the app's as their prototype.
  for (const name in headers) copy[name] = headers[name];
  writeLane(context, codec, {
    areAttachments: true,
    get: (name) => linesOf(copy[name]),
    set: (name, value) => void (copy[name] = value),
    remove: (name) => void delete copy[name],
  });
  return copy;
}

/** The lane in which a message is handled: its tag's, or base. Tags for other services stay with the work. */
export function laneOfMessage(headers: MessageHeaders | null | undefined, { codec, tables }: Messaging): LaneContext {
  if (headers === null || headers === undefined) return laneContext(undefined);
  const lines = (name: string): HeaderLines => linesOf(headers[name]);
  const tag = codec.read(lines);
  if (tag !== undefined && tables.rules?.isDisabledTag(tag) === true) return laneContext(undefined);
  return laneContext(tag, codec.carriedIn?.(lines));
}

/** Runs a message's handler in its lane; changes nothing if there is no lane to enter or to leave. */
export function handleInLane<A extends unknown[], R>(context: LaneContext, handler: (...args: A) => R, self: unknown, args: A): R {
  if (context.tag === undefined && context.carried === undefined && currentContext() === undefined) return Reflect.apply(handler, self, args);
  return enterContext(context, handler, self, args);
}

function linesOf(value: unknown): HeaderLines {
  if (value === undefined || value === null) return undefined;
  if (Array.isArray(value)) return value.map(String);
  return typeof value === 'string' ? value : value instanceof Uint8Array ? new TextDecoder().decode(value) : undefined;
}
