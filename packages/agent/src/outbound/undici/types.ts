/** The part of undici that the agent uses, in any version. */
import type { LaneContext } from '@lane/core/model';
import type { Series } from '@lane/core/agent';

/** On dispatch options that have been through here. */
export const MARK: unique symbol = Symbol('lane.dispatched');

/** Where requests go. */
export interface Origin {
  readonly protocol: string;
  readonly host: string;
  readonly port: number;
  /** As in a Host header. */
  readonly authority: string;
}

export interface Mark {
  /** As in the original options; undefined: the destination of their Pool or Client. */
  readonly origin: string | URL | undefined;
  readonly context: LaneContext | undefined;
  /** The decided destination; undefined: none yet, and a dispatcher with a fixed origin will decide. */
  readonly destination: Origin | undefined;
  /** Whether we wrote the name in `host`. */
  readonly addedHost: boolean;
  /** The series that counts its outcome. */
  readonly series: Series | undefined;
}

export interface DispatchOptions {
  origin?: string | URL;
  path?: string;
  headers?: unknown;
  /** The protocol that the connection is to speak from then on. */
  upgrade?: unknown;
  [MARK]?: Mark;
}

export interface DispatchHandler {
  onError?(error: Error): void;
  onResponseError?(controller: unknown, error: Error): void;
}

export interface Dispatcher {
  dispatch(options: DispatchOptions, handler: DispatchHandler): boolean;
  close(): unknown;
  destroy(): unknown;
}

export type Dispatch = (this: Dispatcher, options: DispatchOptions, handler: DispatchHandler) => boolean;
export type AgentClass = new (options: object) => Dispatcher;
