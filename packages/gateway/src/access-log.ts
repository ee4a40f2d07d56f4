/** The access log. One line per request: the request, its lane and why, the instance, and the outcome. */
import { onOneLine, type Reason, type Tag, type TagSource } from '@lane/core/model';

/** The record of a finished request. */
export interface AccessEntry {
  /** Time of arrival. */
  readonly time: Date;
  /** The client's (`x-request-id`), or ours; instances get it too. */
  readonly requestId: string;
  /** W3C trace id of the client's `traceparent`. */
  readonly traceId: string | undefined;
  readonly clientIp: string | undefined;
  /** `1.1`, `2.0`; for a WebSocket that of its handshake. */
  readonly httpVersion: string;
  readonly method: string;
  readonly host: string;
  /** Without query, which may contain secrets. */
  readonly path: string;
  /** 499: the client left before it was answered. */
  readonly status: number;
  /** Bytes of the answer's body; for a WebSocket, everything sent to the client. */
  readonly bytes: number;
  readonly durationMs: number;
  readonly service: string | undefined;
  /** `ip:port`. */
  readonly instance: string | undefined;
  /** The lane it was served in; undefined: base. */
  readonly lane: Tag | undefined;
  /** Where its tag came from; `route`: the route names the lane. */
  readonly source: TagSource | 'route';
  /** `group/lane/rule`. */
  readonly rule: string | undefined;
  /** Why these instances; undefined if no service was reached. */
  readonly reason: Reason | undefined;
  /** How many instances failed. */
  readonly retries: number;
  /** What went wrong. */
  readonly problem: string | undefined;
}

/** A line for people. */
export function accessLine(entry: AccessEntry): string {
  const lane = entry.lane ?? 'base';
  const why = [entry.reason, entry.rule === undefined ? undefined : `rule ${entry.rule}`].filter((part) => part !== undefined).join(', ');
  const line = [
    entry.time.toISOString(),
    entry.clientIp ?? '-',
    `${entry.method} ${entry.host}${entry.path}`,
    String(entry.status),
    `${entry.bytes} B`,
    `${entry.durationMs.toFixed(1)} ms`,
    `lane=${lane}${why === '' ? '' : ` (${why})`}`,
    entry.service === undefined ? '-' : `${entry.service}${entry.instance === undefined ? '' : `@${entry.instance}`}`,
    `id=${entry.requestId}`,
    ...(entry.retries === 0 ? [] : [`retries=${entry.retries}`]),
    ...(entry.problem === undefined ? [] : [JSON.stringify(entry.problem)]),
  ].join(' ');
  return onOneLine(line);
}

/** A line for programs: one JSON object. */
export function accessJson(entry: AccessEntry): string {
  // JSON has no such characters outside strings, and accepts these escapes inside them.
  return onOneLine(JSON.stringify({ ...entry, lane: entry.lane ?? null, durationMs: Math.round(entry.durationMs * 1_000) / 1_000 }));
}
