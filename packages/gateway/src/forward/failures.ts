/** Reports failed requests: to the client what it may know, to the log everything. */
import type { Log } from '@lane/core/model';
import { addressOf, type Exchange } from '../exchange.js';
import { InstanceTimeoutError } from './instance-connection.js';
import type { Refusal } from './request-framing.js';

/** Why an answer can't be forwarded. */
export class BadAnswerError extends Error {
  constructor(message: string) {
    super(message);
    this.name = 'BadAnswerError';
  }
}

/** The status that counts for an instance that does not answer in time. */
export const GATEWAY_TIMEOUT = 504;

/** Whether the peer broke off the connection. Node reports the same for a request that we end, so call this only while it is in flight. */
export function isBrokenOff({ code }: NodeJS.ErrnoException): boolean {
  return code === 'ECONNRESET' || code === 'EPIPE';
}

/** Logs why an instance failed, and returns the client's message, without an address. */
export function failureOf(exchange: Exchange, error: unknown, log: Log): Refusal {
  const { message, code } = error as NodeJS.ErrnoException;
  const { target, instance, requestId } = exchange;
  const service = target?.key.name ?? '?';
  // Not the instance's fault, and the access log has it for each request: no line of its own.
  if (code === 'ELANE_BUSY') return { status: 503, message: `${service} has reached its limit of concurrent requests: try again later` };
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
