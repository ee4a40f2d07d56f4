/** As much of undici as the agent deals with, in any version. */
import type { LaneContext } from '@lane/core/model';
import type { Series } from '@lane/core/agent';

/** On dispatch options that have been through here. */
export const MARK: unique symbol = Symbol('lane.dispatched');

/** Where requests go. */
export interface Origin {
  readonly protocol: string;
  readonly host: string;
  readonly port: number;
  /** As it stands in a Host header. */
  readonly authority: string;
}

export interface Mark {
  /** As it stood in the options; undefined: where their Pool or Client goes. */
  readonly origin: string | URL | undefined;
  readonly context: LaneContext | undefined;
  /** Where they go by what has been decided; undefined: nothing has, and whoever has a fixed origin will decide. */
  readonly destination: Origin | undefined;
  /** Whether the name in `host` is of our making. */
  readonly addedHost: boolean;
  /** Where its outcome is counted. */
  readonly series: Series | undefined;
}

export interface DispatchOptions {
  origin?: string | URL;
  path?: string;
  headers?: unknown;
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
