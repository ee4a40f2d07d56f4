import { createHash } from 'node:crypto';
import type {
  FastifyInstance,
  FastifyRequest,
  FastifyBaseLogger,
  FastifyTypeProvider,
  RawReplyDefaultExpression,
  RawRequestDefaultExpression,
  RawServerDefault,
} from 'fastify';
import type { Static, TSchema } from '@sinclair/typebox';
import type { LaneGroupsStore } from '@lane/storage';
import type { NacosConnection } from '@lane/nacos-registry';
import type { AuditLog, AuditEntry } from '../audit-log.js';
import type { Gate } from '../access/gate.js';
import type { Access, User } from '../access/accounts.js';
import type { Surveyor } from '../survey.js';
import type { AgentsViews } from '../traffic/agents-views.js';
import type { TrafficCollector } from '../traffic/collect.js';

/** The contents of a request that has passed its schema (https://fastify.dev/docs/v5.12.x/Reference/Type-Providers/). */
export interface SchemaTypes extends FastifyTypeProvider {
  validator: this['schema'] extends TSchema ? Static<this['schema']> : unknown;
  serializer: this['schema'] extends TSchema ? Static<this['schema']> : unknown;
}

/** The server, with the types of its schemas. */
export type Api = FastifyInstance<RawServerDefault, RawRequestDefaultExpression, RawReplyDefaultExpression, FastifyBaseLogger, SchemaTypes>;

/** What the routes work on. */
export interface RouteContext {
  readonly connection: NacosConnection;
  readonly store: LaneGroupsStore;
  readonly gate: Gate;
  readonly audit: AuditLog;
  readonly surveyor: Surveyor;
  readonly traffic: TrafficCollector;
  readonly agents: AgentsViews;
  readonly version: string;
  /** Whether browsers use TLS, of the console itself or of a proxy in front. */
  readonly isByTls: boolean;
}

declare module 'fastify' {
  interface FastifyContextConfig {
    /** Who may call the route. There is no default: a route without it is not added (access/declared.ts). */
    access?: Access;
  }
  interface FastifySchema {
    /** These make up the description of the API (openapi.ts). */
    tags?: readonly string[];
    summary?: string;
    description?: string;
  }
  interface FastifyRequest {
    user: User | undefined;
  }
}

/** Records what a request did. */
export function audit(context: RouteContext, request: FastifyRequest, entry: Omit<AuditEntry, 'at' | 'who' | 'role' | 'from'>): void {
  const { user } = request;
  context.audit.add({ who: user?.name ?? '-', ...(user === undefined ? {} : { role: user.role }), from: request.ip, ...entry });
}

/** The md5 by which Nacos compares documents, in hex. */
export function md5Of(text: string): string {
  return createHash('md5').update(text).digest('hex');
}
