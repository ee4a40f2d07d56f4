import { join } from 'node:path';
import fastify, { type FastifyError, type FastifyReply, type FastifyRequest } from 'fastify';
import swagger from '@fastify/swagger';
import type { TypeBoxTypeProvider } from '@fastify/type-provider-typebox';
import { DEFAULT_FORMATS, SILENT_LOG, type FormatName, type Log } from '@lane/core/model';
import { InvalidLaneGroupsError, LaneGroupsError, LaneGroupsStore } from '@lane/storage';
import { DEFAULT_GROUP, NacosError, type NacosConnection } from '@lane/nacos-registry';
import type { Account } from './access/accounts.js';
import { Gate } from './access/gate.js';
import { createHostTest, isLoopback } from './access/hosts.js';
import { AuditLog } from './audit-log.js';
import { ConsoleError } from './console-error.js';
import { languageOf, readPages } from './pages.js';
import { groupRoutes } from './routes/groups.js';
import { historyRoutes } from './routes/history.js';
import { registryRoutes } from './routes/registry.js';
import { sessionRoutes } from './routes/session.js';
import type { RouteContext } from './routes/context.js';
import { pagePolicy, SECURITY_HEADERS } from './security-headers.js';
import { Surveyor } from './survey.js';
import { TrafficCollector } from './traffic/collect.js';

/** How a console is started. */
export interface ConsoleOptions {
  readonly connection: NacosConnection;
  /** Nacos's grouping of services. Default `DEFAULT_GROUP`. */
  readonly serviceGroup?: string | undefined;
  /** The formats that the agents list: the tags of instances are read in them. Default `['baggage']`. */
  readonly formats?: readonly FormatName[] | undefined;
  /** Default 8900; 0 takes a free one. */
  readonly port?: number | undefined;
  /** Default 127.0.0.1. Beyond loopback accounts are needed. */
  readonly host?: string | undefined;
  /** Who may use it. Default: whoever is on this machine, as an editor. */
  readonly accounts?: readonly Account[] | undefined;
  /** Further names that it answers to, such as that of a proxy before it. */
  readonly allowedHosts?: readonly string[] | undefined;
  /** File of the audit log, JSON lines. Default: kept in memory only. */
  readonly auditLog?: string | undefined;
  /** PEM of certificate and key, for TLS. */
  readonly tls?: { readonly cert: string | Buffer; readonly key: string | Buffer } | undefined;
  /** The built pages. Default: those of this package. */
  readonly pages?: string | undefined;
  readonly log?: Log | undefined;
}

/** A running console. */
export interface RunningConsole {
  readonly port: number;
  readonly url: string;
  close(): Promise<void>;
}

const DEFAULT_PORT = 8900;
const BODY_LIMIT_BYTES = 5 * 1024 * 1024;

/** Starts a console. Rejects with a ConsoleError that says what to do where it can't be started safely. */
export async function startConsole(options: ConsoleOptions): Promise<RunningConsole> {
  const {
    connection,
    host = '127.0.0.1',
    port = DEFAULT_PORT,
    accounts = [],
    allowedHosts = [],
    log = SILENT_LOG,
    tls,
    formats = DEFAULT_FORMATS,
  } = options;
  if (accounts.length === 0 && !isLoopback(host)) {
    throw new ConsoleError(
      'ELANE_CONSOLE_TOKEN_NEEDED',
      `the console would listen on ${host}, where others can reach it, and ask nobody who they are: give a token (--token, --tokens-file, LANE_CONSOLE_TOKEN), or listen on 127.0.0.1`,
    );
  }
  const { version } = require('../package.json') as { version: string };
  const pages = readPages(options.pages ?? join(__dirname, 'web'));
  const audit = new AuditLog(options.auditLog, (error) => log.error(`the audit log can't be written: ${error.message}`));
  const surveyor = new Surveyor(connection, options.serviceGroup ?? DEFAULT_GROUP, formats);
  const gate = new Gate(accounts, (request) => audit.add({ who: '-', from: request.ip, action: 'sign-in-refused' }));
  const context: RouteContext = {
    connection,
    store: new LaneGroupsStore(connection),
    gate,
    audit,
    surveyor,
    formats,
    traffic: new TrafficCollector(() => surveyor.survey(), formats),
    version,
  };

  const server = fastify({
    bodyLimit: BODY_LIMIT_BYTES,
    // Whole requests, headers and body: nobody holds the console by sending slowly.
    requestTimeout: 30_000,
    forceCloseConnections: true,
    // Fields that a schema does not know are refused or kept, never silently dropped.
    ajv: { customOptions: { removeAdditional: false, coerceTypes: true } },
    ...(tls === undefined ? {} : { https: tls as unknown as null }),
  });
  const app = server.withTypeProvider<TypeBoxTypeProvider>();
  await app.register(swagger, {
    openapi: {
      openapi: '3.1.0',
      info: {
        title: 'Lane console',
        description: 'Lane groups, lanes, instances and traffic.',
        version,
        license: { name: 'Apache-2.0', identifier: 'Apache-2.0' },
      },
      components: {
        securitySchemes: {
          token: { type: 'http', scheme: 'bearer' },
          session: {
            type: 'apiKey',
            in: 'cookie',
            name: 'lane_session',
            description: 'With the header x-lane-console: 1 where something is changed.',
          },
        },
      },
      security: [{ token: [] }, { session: [] }],
    },
  });

  const answersTo = createHostTest(host, allowedHosts);
  app.decorateRequest('user', undefined);
  app.addHook('onRequest', async (request, reply) => {
    void reply.headers(SECURITY_HEADERS);
    if (!answersTo(request.headers.host)) {
      throw new ConsoleError(
        'ELANE_FORBIDDEN',
        'the console does not answer to this name: open it by its address, or start it with --allowed-host and the name',
      );
    }
    if (!request.url.startsWith('/api/')) return;
    void reply.header('cache-control', 'no-store');
    request.user = gate.identify(request);
    const access = request.routeOptions.config.access ?? (request.method === 'GET' || request.method === 'HEAD' ? 'viewer' : 'editor');
    gate.expect(request.user, access);
  });
  app.setErrorHandler((error: FastifyError | Error, request, reply) => answerError(error, request, reply, context, log));
  app.setNotFoundHandler((request, reply) => {
    if (request.url.startsWith('/api/'))
      throw new ConsoleError('ELANE_NOT_FOUND', `the API has no ${request.method} ${request.url.split('?')[0]}: GET /api/openapi.json describes it`);
    return servePage(request, reply);
  });

  sessionRoutes(app, context);
  groupRoutes(app, context);
  registryRoutes(app, context);
  historyRoutes(app, context);
  app.get('/api/openapi.json', { schema: { hide: true } }, () => app.swagger());

  async function servePage(request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
    if (request.method !== 'GET' && request.method !== 'HEAD') {
      throw new ConsoleError('ELANE_NOT_FOUND', 'pages are only read');
    }
    const path = request.url.split('?')[0] as string;
    const page = await pages.file(path, String(request.headers['accept-encoding'] ?? ''));
    if (page !== undefined) {
      void reply
        .header('content-type', page.type)
        .header('cache-control', page.isImmutable ? 'public, max-age=31536000, immutable' : 'no-cache')
        .header('vary', 'accept-encoding');
      if (page.encoding !== undefined) void reply.header('content-encoding', page.encoding);
      return reply.code(200).send(page.body);
    }
    if (path.startsWith('/assets/')) throw new ConsoleError('ELANE_NOT_FOUND', 'there is no such file');
    const { html, nonce } = pages.index(languageOf(request.headers['accept-language']));
    return reply
      .code(200)
      .header('content-type', 'text/html; charset=utf-8')
      .header('cache-control', 'no-store')
      .header('content-security-policy', pagePolicy(nonce))
      .send(html);
  }

  try {
    await server.listen({ port, host });
  } catch (error) {
    await server.close();
    await audit.close();
    if ((error as NodeJS.ErrnoException).code !== 'EADDRINUSE') throw error;
    throw new ConsoleError(
      'ELANE_PORT_IN_USE',
      `port ${port} of ${host} is in use: stop what listens there, or choose another port (0 takes a free one)`,
    );
  }
  const { port: listening } = server.addresses()[0] as { port: number };
  const shown = host.includes(':') ? `[${host}]` : host;
  return {
    port: listening,
    url: `${tls === undefined ? 'http' : 'https'}://${shown}:${listening}`,
    async close() {
      await server.close();
      await audit.close();
    },
  };
}

/** Answers what went wrong: a code, and one sentence with cause and remedy. What nobody foresaw is logged, and not told. */
function answerError(error: FastifyError | Error, request: FastifyRequest, reply: FastifyReply, context: RouteContext, log: Log): FastifyReply {
  if (error instanceof ConsoleError) {
    const { retryAfter } = error.details as { retryAfter?: number };
    if (retryAfter !== undefined) void reply.header('retry-after', retryAfter);
    if (error.code === 'ELANE_UNAUTHENTICATED') void reply.header('www-authenticate', 'Bearer');
    if (error.code === 'ELANE_FORBIDDEN' && request.user !== undefined && request.method !== 'GET') {
      context.audit.add({
        who: request.user.name,
        role: request.user.role,
        from: request.ip,
        action: 'change-refused',
        target: `${request.method} ${request.url}`,
      });
    }
    return reply.code(error.statusCode).send({ code: error.code, message: error.message, ...error.details });
  }
  if (error instanceof InvalidLaneGroupsError) return reply.code(422).send({ code: error.code, message: error.message, problems: error.problems });
  const { code, message } = error as { code?: string; message: string };
  if (error instanceof NacosError || error instanceof LaneGroupsError) {
    const status = code === 'ELANE_CONFLICT' ? 412 : code === 'ELANE_NOT_FOUND' ? 404 : code === 'ELANE_UNSUPPORTED' ? 501 : 502;
    return reply.code(status).send({ code, message });
  }
  const { statusCode, validation } = error as FastifyError;
  if (validation !== undefined || (statusCode !== undefined && statusCode < 500)) {
    return reply.code(statusCode ?? 400).send({ code: 'ELANE_BAD_REQUEST', message });
  }
  log.error(`${request.method} ${request.routeOptions.url ?? ''} failed: ${String(error.stack ?? error)}`);
  return reply.code(500).send({ code: 'ELANE_CONSOLE', message: 'this went wrong in the console itself: its log says why' });
}
