/** The document as a whole. */
import { parseLaneGroups } from '@lane/core/rules';
import { InvalidLaneGroupsError } from '@lane/storage';
import { ConsoleError } from '../console-error.js';
import { ChangedSchema, DocumentBodySchema, DryRun, ErrorSchema, Preconditions } from '../schemas.js';
import { audit, md5Of, type Api, type RouteContext } from './context.js';

/** Publishing it. */
export function documentRoutes(api: Api, context: RouteContext): void {
  const { store } = context;

  api.put(
    '/api/document',
    {
      config: { access: 'editor' },
      schema: {
        tags: ['document'],
        summary: 'Publish the whole document',
        description: 'Requires If-Match, the md5 of the document in quotes, or If-None-Match: *.',
        querystring: DryRun,
        headers: Preconditions,
        body: DocumentBodySchema,
        response: { 200: ChangedSchema, '4xx': ErrorSchema },
      },
    },
    async (request) => {
      const parsed = parseLaneGroups(request.body.text);
      if (request.query.dryRun === true) return { md5: md5Of(request.body.text), problems: parsed.ok ? [] : [...parsed.problems] };
      if (!parsed.ok) throw new InvalidLaneGroupsError(parsed.problems);
      const { 'if-match': ifMatch, 'if-none-match': ifNoneMatch } = request.headers;
      const casMd5 = ifNoneMatch === '*' ? '' : ifMatch?.replace(/^"|"$/g, '');
      if (casMd5 === undefined) {
        throw new ConsoleError(
          'ELANE_BAD_REQUEST',
          'replacing the whole document requires If-Match, the md5 of the document that was read, in quotes',
        );
      }
      try {
        const changed = await store.replace(parsed.document, { casMd5, by: request.user?.name });
        if (changed.isChanged) audit(context, request, { action: 'document-changed', md5After: changed.md5 });
        return { md5: changed.md5, etag: `"${changed.md5}"` };
      } catch (error) {
        if ((error as { code?: unknown }).code !== 'ELANE_CONFLICT') throw error;
        const { text, md5 = '' } = await store.read();
        const changedBy = context.audit.changeTo(md5)?.who;
        throw new ConsoleError('ELANE_CONFLICT', (error as Error).message, {
          ...(md5 === '' ? {} : { current: { text }, etag: `"${md5}"` }),
          ...(changedBy === undefined ? {} : { changedBy }),
        });
      }
    },
  );
}
