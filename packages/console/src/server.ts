import { join } from 'node:path';
import { SILENT_LOG, type FormatName, type Log } from '@lane/core/model';
import { LaneGroupsStore } from '@lane/storage';
import type { NacosConnection } from '@lane/nacos-registry';
import type { Account } from './access/accounts.js';
import { Gate } from './access/gate.js';
import { createHostTest, isLoopback } from './access/hosts.js';
import { createApp } from './app.js';
import { AuditLog } from './audit-log.js';
import { ConsoleError } from './console-error.js';
import { readPages } from './pages.js';
import type { RouteContext } from './routes/context.js';
import { Surveyor } from './survey.js';
import { isLoopbackServer } from './traffic/admin-address.js';
import { AgentsViews } from './traffic/agents-views.js';
import { TrafficCollector } from './traffic/collect.js';

/** Options of a console. */
export interface ConsoleOptions {
  readonly connection: NacosConnection;
  /** Nacos's grouping of services. Default `DEFAULT_GROUP`. */
  readonly serviceGroup?: string | undefined;
  /** Default 8900; 0 takes a free one. */
  readonly port?: number | undefined;
  /** Default 127.0.0.1. Beyond loopback, accounts are required. */
  readonly host?: string | undefined;
  /** Who may use it. Default: everybody on this machine, as editor. */
  readonly accounts?: readonly Account[] | undefined;
  /** Additional names that it answers to, such as a proxy's. */
  readonly allowedHosts?: readonly string[] | undefined;
  /** File of the audit log, JSON lines. Default: memory only. */
  readonly auditLog?: string | undefined;
  /** The agents' formats (LANE_FORMATS): some, such as `nepxion`, define how instances carry tags. Default: baggage. */
  readonly formats?: readonly FormatName[] | undefined;
  /** Whether a proxy in front terminates TLS: the session's cookie is then `Secure`, as with `tls`. */
  readonly isBehindTls?: boolean | undefined;
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

/** Starts a console. Rejects with a ConsoleError if it can't start safely. */
export async function startConsole(options: ConsoleOptions): Promise<RunningConsole> {
  const { connection, host = '127.0.0.1', port = DEFAULT_PORT, accounts = [], allowedHosts = [], log = SILENT_LOG, tls } = options;
  if (accounts.length === 0 && !isLoopback(host)) {
    throw new ConsoleError(
      'ELANE_CONSOLE_TOKEN_NEEDED',
      `the console would listen on ${host}, where others can reach it, without authentication: pass a token (--token, --tokens-file, LANE_CONSOLE_TOKEN), or listen on 127.0.0.1`,
    );
  }
  const { version } = require('../package.json') as { version: string };
  const pages = readPages(options.pages ?? join(__dirname, 'web'));
  const audit = new AuditLog(options.auditLog, (error) => log.error(`the audit log can't be written: ${error.message}`));
  const surveyor = new Surveyor(connection, options.serviceGroup, options.formats ?? ['baggage']);
  const store = new LaneGroupsStore(connection);
  const context: RouteContext = {
    connection,
    store,
    gate: new Gate(accounts, (request) => audit.add({ who: '-', from: request.ip, action: 'sign-in-refused' })),
    audit,
    surveyor,
    traffic: new TrafficCollector(surveyor, {
      isLoopbackOurs: isLoopbackServer(connection.server),
      readLaneGroups: async () => (await store.read()).document,
    }),
    agents: new AgentsViews(isLoopbackServer(connection.server)),
    version,
    isByTls: tls !== undefined || options.isBehindTls === true,
  };
  const { server } = await createApp({ context, pages, answersTo: createHostTest(host, allowedHosts), tls, log });

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
  context.traffic.record();
  const { port: listening } = server.addresses()[0] as { port: number };
  const shown = host.includes(':') ? `[${host}]` : host;
  return {
    port: listening,
    url: `${tls === undefined ? 'http' : 'https'}://${shown}:${listening}`,
    async close() {
      context.traffic.stop();
      await server.close();
      await audit.close();
    },
  };
}
