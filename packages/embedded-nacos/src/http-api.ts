/** The HTTP API v1 of Nacos: what the npm package `nacos` calls, and what people call with curl. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { NacosApiError } from './api-error.js';
import type { Resources } from './api/call.js';
import { ConfigWaiters } from './api/config-waiters.js';
import { Forms, targetOf } from './api/parameters.js';
import { routeOf } from './api/routes.js';
import { send, sendJson } from './api/send.js';
import { ServiceLists } from './api/service-lists.js';
import { type Credentials, Sessions } from './api/sessions.js';
import { createBrowserGuard } from './browser-guard.js';
import type { ConfigId, ConfigStore } from './config-store.js';
import type { NamingStore, ServiceId } from './naming-store.js';
import type { UdpPush } from './udp-push.js';

/** What the API works on. */
export interface ApiContext {
  readonly naming: NamingStore;
  readonly configs: ConfigStore;
  readonly push: Pick<UdpPush, 'subscribe'>;
  readonly listeners: Resources['listeners'];
  readonly auth: Credentials | undefined;
  /** Longest time that a client may wait for a change, in milliseconds. */
  readonly longPollTimeoutMs: number | undefined;
  /** Names by which clients may call it, besides addresses and private names. */
  readonly allowedHosts: readonly string[];
  readonly log: (line: string) => void;
}

/** A running API. */
export interface Api {
  /** Answers a request. Never throws or rejects, whatever it contains. */
  handle(request: IncomingMessage, response: ServerResponse): void;
  /** Notifies the clients that wait for a document. */
  configChanged(key: ConfigId): void;
  /** The list of a service, as clients get it. */
  listOf(id: ServiceId, clusters: string, healthyOnly?: boolean): { readonly lastRefTime: number };
  /** What the API works on, for the gRPC server beside it. */
  readonly resources: Resources;
  /** Answers all waiting clients. */
  close(): void;
}

/** Creates the API. */
export function createApi({ naming, configs, push, listeners, auth, longPollTimeoutMs, allowedHosts, log }: ApiContext): Api {
  const forms = new Forms();
  const lists = new ServiceLists(naming);
  const waiters = new ConfigWaiters(longPollTimeoutMs);
  const resources: Resources = { naming, lists, push, configs, waiters, sessions: new Sessions(auth), listeners };
  const refusalOf = createBrowserGuard(allowedHosts);

  async function answer(request: IncomingMessage, response: ServerResponse, path: string, parameters: URLSearchParams): Promise<void> {
    const refusal = refusalOf(request.headers);
    if (refusal !== undefined) throw new NacosApiError(403, refusal);
    if (path === '' || path === '/nacos') {
      send(response, 200, 'An embedded Nacos for development and tests: HTTP API v1, everything in memory.\n', 'text/plain');
      return;
    }
    await forms.readInto(parameters, request);
    const route = routeOf(request.method ?? 'GET', path);
    if (route === undefined) throw new NacosApiError(404, `the embedded Nacos has no ${request.method ?? ''} ${path}`);
    const message = route.isOpen === true ? undefined : resources.sessions.refusalOf(request, parameters);
    if (message !== undefined) {
      sendJson(response, 403, { timestamp: new Date().toISOString(), status: 403, error: 'Forbidden', message, path });
      return;
    }
    const result = route.handler({ request, response, parameters }, resources);
    if (result === undefined) return;
    if (typeof result === 'string') send(response, 200, result, 'text/plain');
    else sendJson(response, 200, result);
  }

  function handle(request: IncomingMessage, response: ServerResponse): void {
    const [path, parameters] = targetOf(request.url ?? '/');
    answer(request, response, path, parameters)
      .catch((error: unknown) => {
        const status = error instanceof NacosApiError ? error.status : 500;
        if (!(error instanceof NacosApiError)) log(`${request.method ?? ''} ${path} failed: ${String((error as Error).stack)}`);
        if (!response.headersSent) send(response, status, `caused: ${(error as Error).message};`, 'text/plain');
        // The unread rest of a refused body would be taken for the next request.
        if (!request.complete) response.once('finish', () => request.destroy());
      })
      // The answer itself, or the log, failed: end this connection only.
      .catch(() => response.destroy());
  }

  return {
    handle,
    resources,
    listOf: (id, clusters, healthyOnly) => lists.listOf(id, clusters, healthyOnly),
    configChanged: (key) => waiters.changed(key),
    close: () => waiters.close(),
  };
}
