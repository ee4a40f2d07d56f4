/**
 * What an app tells `lane doctor --trace` of itself: lines of JSON in a file a thread, in the folder of LANE_DOCTOR_TRACE. The contract between the
 * agent, which writes them, and the command, which judges.
 */

/** The header by which the command's requests are known in the app: its value is a {@link TraceRequestId}. */
export const TRACE_HEADER = 'x-lane-doctor';

/** `lane-<run, 8 hex digits>-s<number>` while one request is under way at a time, `lane-<run>-m<number>` while many are. */
export type TraceRequestId = string;

/** The ids of requests in a text: URLs and headers have them where the app passes on what it was sent. */
export const TRACE_ID = /lane-[0-9a-f]{8}-[sm]\d+/g;

/** A method that was handed a function in one request, and by which the function came to run in the context of another one, or of none. */
export interface TraceHandOver {
  /** Name and version of the package, as its package.json has them. */
  readonly library: string;
  readonly version: string | undefined;
  /** The app's own file, and no package that it has installed. */
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

/** A frame of a library: the package, and where. */
export interface TraceFrame {
  readonly library: string;
  readonly version: string | undefined;
  /** `file:line (function)`. */
  readonly at: string;
}

/** A call that the app has made, as its headers went to the socket. */
export interface TraceCall {
  readonly kind: 'call';
  readonly client: 'node:http' | 'undici' | 'node:http2';
  readonly method: string;
  /** Host and port, as the Host header has them. */
  readonly host: string;
  readonly path: string;
  /** The tag that it carries in the formats of the app; null: none. */
  readonly tag: string | null;
  /** Whether the host looks internal, or is in the registry or LANE_PROPAGATE_TO by name: a tag belongs there. */
  readonly isInside: boolean;
  /** Other headers of it, lower case, that have the tag of a lane in them, and `(url)` where the URL has. */
  readonly copiedIn: readonly string[];
  /** Ids of requests in its URL and headers. */
  readonly ids: readonly TraceRequestId[];
  /** The request in whose lane context it was made; null: in that of none. */
  readonly context: TraceRequestId | null;
  /** The only request under way; null: there are several, or none. */
  readonly alone: TraceRequestId | null;
  readonly handOver: TraceHandOver | null;
  /** The library nearest to the call. */
  readonly nearest: TraceFrame | null;
  /** What ran it, where it was made in the context of no request: the async resource that a library has made last, with the frame. */
  readonly resource: { readonly type: string; readonly frame: TraceFrame } | null;
  /** The app's own frame nearest to the call. */
  readonly calledAt: string | null;
}

/** What is told. */
export type TraceRecord =
  | { readonly kind: 'agent'; readonly pid: number; readonly agent: string; readonly node: string }
  | { readonly kind: 'listening'; readonly port: number; readonly isTls: boolean }
  | { readonly kind: 'request'; readonly id: TraceRequestId; readonly tag: string | null }
  | TraceCall;
