/** Responses to errors. */
import { InvalidLaneGroupsError, LaneGroupsError } from '@lane/storage';
import { NacosError } from '@lane/nacos-registry';
import type { Log } from '@lane/core/model';
import type { FastifyError, FastifyReply, FastifyRequest } from 'fastify';
import { ConsoleError } from './console-error.js';
import type { AuditLog } from './audit-log.js';

/** Length of a denied request's target in the audit log. */
const MAX_TARGET_LENGTH = 200;

/** Answers with a code and one sentence of cause and remedy. Unexpected errors are logged, but not shown to the caller. */
export function answerError(error: FastifyError | Error, request: FastifyRequest, reply: FastifyReply, audit: AuditLog, log: Log): FastifyReply {
  if (error instanceof ConsoleError) {
    const { retryAfter } = error.details as { retryAfter?: number };
    if (retryAfter !== undefined) void reply.header('retry-after', retryAfter);
    if (error.code === 'ELANE_UNAUTHENTICATED') void reply.header('www-authenticate', 'Bearer');
    if (error.code === 'ELANE_FORBIDDEN' && request.user !== undefined && request.method !== 'GET') {
      audit.add({
        who: request.user.name,
        role: request.user.role,
        from: request.ip,
        action: 'change-refused',
        target: `${request.method} ${request.url}`.slice(0, MAX_TARGET_LENGTH),
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
  return reply.code(500).send({ code: 'ELANE_CONSOLE', message: 'the console itself failed: its log says why' });
}
