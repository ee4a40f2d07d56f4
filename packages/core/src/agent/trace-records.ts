/**
 * What an app reports to `lane doctor --trace`: lines of JSON in one file per thread, in the folder of LANE_DOCTOR_TRACE. The contract between
 * the agent, which writes them, and the command, which judges.
 */

/** The header that identifies the command's requests in the app: its value is a {@link TraceRequestId}. */
export const TRACE_HEADER = 'x-lane-doctor';

/** `lane-<run, 8 hex digits>-s<number>` while one request is in flight at a time, `lane-<run>-m<number>` while many are. */
export type TraceRequestId = string;

/** The ids of requests in a string, such as a URL or a header, if the app forwards them. */
export const TRACE_ID = /lane-[0-9a-f]{8}-[sm]\d+/g;

/** A method that got a function in one request, and made it run in the context of another one, or of none. */
export interface TraceHandOver {
  /** Name and version of the package, as its package.json has them. */
  readonly library: string;
  readonly version: string | undefined;
  /** The app's own file, not an installed package. */
  readonly isOwn: boolean;
  /** The method in the form of LANE_BIND: `some-queue:Queue.prototype.push[0]`. */
  readonly binding: string;
  /** The request in which it was handed over. */
  readonly request: TraceRequestId;
  /** Where: `file:line`, relative to the working folder. */
  readonly handedAt: string | undefined;
  /** Where it was run: the first frame of a library. */
  readonly runAt: string | undefined;
}

/** A library's frame: the package, and the place. */
export interface TraceFrame {
  readonly library: string;
  readonly version: string | undefined;
  /** `file:line (function)`. */
  readonly at: string;
}

/** A call of the app, with its headers as sent. */
export interface TraceCall {
  readonly kind: 'call';
  readonly client: 'node:http' | 'undici' | 'node:http2';
  readonly method: string;
  /** Host and port, as the Host header has them. */
  readonly host: string;
  readonly path: string;
  /** Its tag in the app's formats; null: none. */
  readonly tag: string | null;
  /** Whether the host looks internal, or is in the registry or LANE_PROPAGATE_TO by name: a tag belongs there. */
  readonly isInside: boolean;
  /** Its other headers, in lower case, that contain a lane's tag, and `(url)` if the URL does. */
  readonly copiedIn: readonly string[];
  /** Ids of requests in its URL and headers. */
  readonly ids: readonly TraceRequestId[];
  /** The request in whose lane context it was made; null: none. */
  readonly context: TraceRequestId | null;
  /** The only request in flight; null: several, or none. */
  readonly alone: TraceRequestId | null;
  readonly handOver: TraceHandOver | null;
  /** The library nearest to the call. */
  readonly nearest: TraceFrame | null;
  /** What ran it, if it was made outside any request's context: the last async resource that a library created, with its frame. */
  readonly resource: { readonly type: string; readonly frame: TraceFrame } | null;
  /** The app's own frame nearest to the call. */
  readonly calledAt: string | null;
}

/** A reported line. */
export type TraceRecord =
  | { readonly kind: 'agent'; readonly pid: number; readonly agent: string; readonly node: string }
  | { readonly kind: 'listening'; readonly port: number; readonly isTls: boolean }
  | { readonly kind: 'request'; readonly id: TraceRequestId; readonly tag: string | null }
  | TraceCall;
