/** The console's HTTP application: the gate, then the routes. */
import fastify, { type FastifyError } from 'fastify';
import type { Log } from '@lane/core/model';
import { requireAccess, type DeclaredRoute } from './access/declared.js';
import { authorityOf } from './access/hosts.js';
import { ConsoleError } from './console-error.js';
import { answerError } from './errors.js';
import { describeRoutes } from './openapi.js';
import type { Pages } from './pages.js';
import type { Api, RouteContext, SchemaTypes } from './routes/context.js';
import { addRoutes } from './routes/index.js';
import { SECURITY_HEADERS } from './security-headers.js';

const BODY_LIMIT_BYTES = 5 * 1024 * 1024;
/** For whole requests, headers and body: slow senders can't hold connections. */
const REQUEST_TIMEOUT_MS = 30_000;
const HEADERS_TIMEOUT_MS = 10_000;
/** How often Node looks for late requests. */
const CHECK_MS = 5_000;
/** Idle connections are closed after this. */
const IDLE_TIMEOUT_MS = 60_000;
/** More than all open pages need. */
const MAX_CONNECTIONS = 1_000;

/** The parts of the application. */
export interface AppOptions {
  readonly context: RouteContext;
  readonly pages: Pages;
  readonly answersTo: (host: string | undefined) => boolean;
  readonly tls: { readonly cert: string | Buffer; readonly key: string | Buffer } | undefined;
  readonly log: Log;
}

/** An application, and the access that each route declares. */
export interface App {
  readonly server: Api;
  readonly routes: readonly DeclaredRoute[];
}

/** Creates it without listening. Rejects if a route does not declare its access. */
export async function createApp({ context, pages, answersTo, tls, log }: AppOptions): Promise<App> {
  const limits = { headersTimeout: HEADERS_TIMEOUT_MS, connectionsCheckingInterval: CHECK_MS };
  const server = fastify({
    bodyLimit: BODY_LIMIT_BYTES,
    requestTimeout: REQUEST_TIMEOUT_MS,
    connectionTimeout: IDLE_TIMEOUT_MS,
    keepAliveTimeout: IDLE_TIMEOUT_MS,
    forceCloseConnections: true,
    // Fields unknown to a schema are rejected or kept, never silently dropped.
    ajv: { customOptions: { removeAdditional: false, coerceTypes: true } },
    // A URL that the router can't parse matches no route, so no access rule would apply: reject it here.
    frameworkErrors: (error, _request, reply) => {
      reply.raw.writeHead(error.statusCode ?? 400, { ...SECURITY_HEADERS, 'content-type': 'application/json; charset=utf-8' });
      reply.raw.end(JSON.stringify({ code: 'ELANE_BAD_REQUEST', message: 'the URL of this request is malformed' }));
    },
    ...(tls === undefined ? { http: limits } : { https: { ...tls, ...limits, handshakeTimeout: HEADERS_TIMEOUT_MS } as unknown as null }),
  });
  server.server.maxConnections = MAX_CONNECTIONS;
  // No limit on the number of headers: beyond it Node drops some, maybe one that decides. Their size is limited to 16 KB (Node's --max-http-header-size).
  server.server.maxHeadersCount = 0;
  // Fastify would accept text/plain, which forms of other sites can send.
  server.removeContentTypeParser('text/plain');
  const app = server.withTypeProvider<SchemaTypes>();
  const routes = requireAccess(app);
  const description = describeRoutes(app, context.version);

  app.decorateRequest('user', undefined);
  app.addHook('onRequest', async (request, reply) => {
    void reply.headers(SECURITY_HEADERS).header('cache-control', 'no-store');
    if (!answersTo(authorityOf(request.raw))) {
      throw new ConsoleError(
        'ELANE_FORBIDDEN',
        'the console does not answer to this name: open it by its address, or start it with --allowed-host and the name',
      );
    }
    context.gate.admit(request);
  });
  app.setErrorHandler((error: FastifyError | Error, request, reply) => answerError(error, request, reply, context.audit, log));
  app.setNotFoundHandler(({ method }) => {
    throw new ConsoleError('ELANE_NOT_FOUND', `there is nothing to ${method} here: pages are only read, and the API is below /api/`);
  });
  addRoutes(app, context, pages, description);
  return { server: app, routes };
}
