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
import type { TrafficCollector } from '../traffic/collect.js';

/** What a request holds that its schema has let through (https://fastify.dev/docs/v5.12.x/Reference/Type-Providers/). */
export interface SchemaTypes extends FastifyTypeProvider {
  validator: this['schema'] extends TSchema ? Static<this['schema']> : unknown;
  serializer: this['schema'] extends TSchema ? Static<this['schema']> : unknown;
}

/** The server, knowing the types of its schemas. */
export type Api = FastifyInstance<RawServerDefault, RawRequestDefaultExpression, RawReplyDefaultExpression, FastifyBaseLogger, SchemaTypes>;

/** What the routes work on. */
export interface RouteContext {
  readonly connection: NacosConnection;
  readonly store: LaneGroupsStore;
  readonly gate: Gate;
  readonly audit: AuditLog;
  readonly surveyor: Surveyor;
  readonly traffic: TrafficCollector;
  readonly version: string;
  /** Whether browsers reach the console by TLS: its own, or that of a proxy before it. */
  readonly isByTls: boolean;
}

declare module 'fastify' {
  interface FastifyContextConfig {
    /** Who may ask. There is no default: a route that says nothing is not added (access/declared.ts). */
    access?: Access;
  }
  interface FastifySchema {
    /** For the description of the API (openapi.ts). */
    tags?: readonly string[];
    summary?: string;
    description?: string;
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

/** The md5 by which Nacos compares documents, in hex. */
export function md5Of(text: string): string {
  return createHash('md5').update(text).digest('hex');
}
