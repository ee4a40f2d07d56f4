import type {
  FastifyInstance,
  FastifyRequest,
  FastifyBaseLogger,
  RawReplyDefaultExpression,
  RawRequestDefaultExpression,
  RawServerDefault,
} from 'fastify';
import type { TypeBoxTypeProvider } from '@fastify/type-provider-typebox';
import type { FormatName } from '@lane/core/model';
import type { LaneGroupsStore } from '@lane/storage';
import type { NacosConnection } from '@lane/nacos-registry';
import type { AuditLog, AuditEntry } from '../audit-log.js';
import type { Access, Gate } from '../access/gate.js';
import type { User } from '../access/accounts.js';
import type { Surveyor } from '../survey.js';
import type { TrafficCollector } from '../traffic/collect.js';

/** The server, knowing the types of its schemas. */
export type Api = FastifyInstance<RawServerDefault, RawRequestDefaultExpression, RawReplyDefaultExpression, FastifyBaseLogger, TypeBoxTypeProvider>;

/** What the routes work on. */
export interface RouteContext {
  readonly connection: NacosConnection;
  readonly store: LaneGroupsStore;
  readonly gate: Gate;
  readonly audit: AuditLog;
  readonly surveyor: Surveyor;
  /** The formats listed: the tags of instances are read in them. */
  readonly formats: readonly FormatName[];
  readonly traffic: TrafficCollector;
  readonly version: string;
}

declare module 'fastify' {
  interface FastifyContextConfig {
    /** Who may ask. Default: a viewer may read, only an editor anything else. */
    access?: Access;
  }
  interface FastifyRequest {
    user: User | undefined;
  }
}

/** Notes what a request did. */
export function audit(context: RouteContext, request: FastifyRequest, entry: Omit<AuditEntry, 'at' | 'who' | 'role' | 'from'>): void {
  const { user } = request;
  context.audit.add({ who: user?.name ?? '-', ...(user === undefined ? {} : { role: user.role }), from: request.ip, ...entry });
}
