/** What is said of requests that fail: to the client what it may know, to the log all of it. */
import type { Log } from '@lane/core/model';
import { addressOf, type Exchange } from '../exchange.js';
import { InstanceTimeoutError } from './instance-connection.js';
import type { Refusal } from './request-framing.js';

/** Thrown by nobody: why an answer can't be passed on. */
export class BadAnswerError extends Error {
  constructor(message: string) {
    super(message);
    this.name = 'BadAnswerError';
  }
}

/** Tells the log why an instance failed, and makes what the client is told, without an address. */
export function failureOf(exchange: Exchange, error: unknown, log: Log): Refusal {
  const { message, code } = error as NodeJS.ErrnoException;
  const { target, instance, requestId } = exchange;
  const service = target?.key.name ?? '?';
  // No fault of an instance, and told by each request's entry of the access log.
  if (code === 'ELANE_BUSY') return { status: 503, message: `${service} has as many requests under way as it may: try again later` };
  exchange.problem = `${service} at ${instance === undefined ? '?' : addressOf(instance)} did not answer: ${message}`;
  log.warn(`${service} at ${instance === undefined ? '?' : addressOf(instance)} did not answer`, { error: message, request: requestId });
  if (error instanceof InstanceTimeoutError) return { status: 504, message: `${service} did not answer: ${message}` };
  const what = code === 'ELANE_CONNECT_TIMEOUT' ? 'could not be reached in time' : 'did not answer';
  return { status: code === 'ELANE_CONNECT_TIMEOUT' ? 504 : 502, message: `${service} ${what}: the gateway's log says why, at request ${requestId}` };
}

/** An emitter's events, each listener in a `try`: what a peer sends must not throw where nobody catches. */
export type Listen = (
  emitter: { on(event: string, listener: (...values: never[]) => void): unknown },
  event: string,
  listener: (...values: never[]) => void,
) => void;

/** Makes {@link Listen}. */
export function listenWith(failed: (error: unknown) => void): Listen {
  return (emitter, event, listener) => {
    emitter.on(event, (...values) => {
      try {
        listener(...values);
      } catch (error) {
        failed(error);
      }
    });
  };
}
