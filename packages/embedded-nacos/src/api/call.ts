/** What API handlers receive. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { ConfigId, ConfigStore } from '../config-store.js';
import type { NamingStore } from '../naming-store.js';
import type { UdpPush } from '../udp-push.js';
import type { ConfigWaiters } from './config-waiters.js';
import type { ServiceLists } from './service-lists.js';
import type { Sessions } from './sessions.js';

/** A parsed request. `parameters` has those of the query, and those of the form that the query does not name. */
export interface Call {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly parameters: URLSearchParams;
}

/** What handlers work on. */
export interface Resources {
  readonly naming: NamingStore;
  readonly lists: ServiceLists;
  readonly push: Pick<UdpPush, 'subscribe'>;
  readonly configs: ConfigStore;
  readonly waiters: ConfigWaiters;
  readonly sessions: Sessions;
  /** Clients that listen to a document over gRPC: the MD5 that each has, by address. */
  readonly listeners: (key: ConfigId) => Readonly<Record<string, string>>;
}

/** Returns the answer: a string is sent as text, anything else as JSON; undefined: the handler answers by itself. Throws `NacosApiError` to refuse. */
export type Handler = (call: Call, resources: Resources) => unknown;
