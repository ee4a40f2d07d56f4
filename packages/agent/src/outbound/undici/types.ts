/** As much of undici as the agent deals with, in any version. */
import type { LaneContext } from '@lane/core/model';
import type { Series } from '@lane/core/agent';

/** On dispatch options that have been through here. */
export const MARK: unique symbol = Symbol('lane.dispatched');

export interface Mark {
  /** Where they were sent; undefined: where their Pool or Client goes. */
  readonly origin: string | URL | undefined;
  readonly context: LaneContext | undefined;
  /** A BalancedPool does not know where it goes: one of its Pools will, and decides. */
  readonly decided: boolean;
  /** Where its outcome is counted. */
  readonly series: Series | undefined;
}

export interface DispatchOptions {
  origin?: string | URL;
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
