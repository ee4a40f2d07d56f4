/** Changes of lane groups and lanes, applied to the newest document, whatever else changed in it. */
import { LaneNotFoundError, parseLaneGroups, type LaneGroupsDocument, type Problem } from '@lane/core/rules';
import { InvalidLaneGroupsError } from '@lane/storage';
import type { FastifyRequest } from 'fastify';
import type { AuditAction } from '../audit-log.js';
import { ConsoleError } from '../console-error.js';
import { ChangedSchema, ErrorSchema } from '../schemas.js';
import { audit, type RouteContext } from './context.js';

/** The body of the answer to a change. */
export const CHANGE_ANSWERS = { 200: ChangedSchema, '4xx': ErrorSchema };

/** The outcome of a change. */
export interface Applied {
  readonly md5: string;
  readonly document: LaneGroupsDocument;
  /** For a dry run. */
  readonly problems?: readonly Problem[];
}

/** The answer to a change. */
export function answer({ md5, problems }: Applied, etag: string) {
  return { md5, etag, ...(problems === undefined ? {} : { problems: [...problems] }) };
}

/** Publishes an edit, or does a dry run. Reports problems by their place in the request, and writes the audit log. */
export async function apply(
  context: RouteContext,
  request: FastifyRequest,
  edit: (document: LaneGroupsDocument, isDryRun?: boolean) => LaneGroupsDocument,
  tell: (document: LaneGroupsDocument, problems: readonly Problem[]) => readonly Problem[],
  what: () => { readonly action: AuditAction; readonly target: string },
): Promise<Applied> {
  const isDryRun = (request.query as { dryRun?: boolean }).dryRun === true;
  let edited: LaneGroupsDocument | undefined;
  try {
    if (isDryRun) {
      const stored = await context.store.read();
      edited = edit(stored.document, true);
      const parsed = parseLaneGroups(edited);
      return { md5: stored.md5 ?? '', document: edited, problems: parsed.ok ? [] : tell(edited, parsed.problems) };
    }
    const changed = await context.store.change((document) => (edited = edit(document)), { by: request.user?.name });
    if (changed.isChanged) audit(context, request, { ...what(), md5After: changed.md5 });
    return changed;
  } catch (error) {
    if (error instanceof InvalidLaneGroupsError && edited !== undefined) throw new InvalidLaneGroupsError(tell(edited, error.problems));
    if (error instanceof LaneNotFoundError) throw new ConsoleError('ELANE_NOT_FOUND', error.message);
    throw error;
  }
}

/** Throws if the stored state is not the one that the change is based on. */
export function expectPreconditions<T>(
  context: RouteContext,
  request: FastifyRequest,
  kind: 'lane group' | 'lane',
  target: string,
  current: T | undefined,
  etag: string | undefined,
  show: (current: T) => unknown,
): void {
  const { 'if-match': ifMatch, 'if-none-match': ifNoneMatch } = request.headers;
  const what = `${kind} ${target}`;
  if (ifNoneMatch === '*' && current !== undefined) {
    throw new ConsoleError('ELANE_EXISTS', `${what} already exists: choose another name`, {
      problems: [{ path: '/name', message: `${what} already exists: choose another name` }],
    });
  }
  if (ifMatch === undefined || ifMatch === etag) return;
  const changedBy = context.audit.changeOf(target)?.who;
  throw new ConsoleError('ELANE_CONFLICT', `the ${what} has changed since you read it: compare your change with the current state`, {
    ...(current === undefined ? {} : { current: show(current), etag }),
    ...(changedBy === undefined ? {} : { changedBy }),
  });
}
