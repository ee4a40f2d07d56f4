/** The document as a whole: writing it, its history, and the way back. */
import { createHash } from 'node:crypto';
import { parseLaneGroups } from '@lane/core/rules';
import { InvalidLaneGroupsError } from '@lane/storage';
import { ConsoleError } from '../console-error.js';
import {
  AuditSchema,
  ChangedSchema,
  DocumentBodySchema,
  DryRun,
  ErrorSchema,
  HistorySchema,
  Preconditions,
  VersionParameters,
  VersionSchema,
} from '../schemas.js';
import { audit, type Api, type RouteContext } from './context.js';

const SHOWN_VERSIONS = 50;
const SHOWN_ENTRIES = 200;

/** Routes of the document and its history. */
export function historyRoutes(api: Api, context: RouteContext): void {
  const { store } = context;

  api.put(
    '/api/document',
    {
      schema: {
        tags: ['document'],
        summary: 'Publish the whole document',
        description: 'With If-Match (or If-None-Match: *), which is the md5 of the document in quotes.',
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
        throw new ConsoleError('ELANE_BAD_REQUEST', 'the whole document is only replaced with If-Match, the md5 of what was read, in quotes');
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

  api.get(
    '/api/history',
    { schema: { tags: ['document'], summary: 'Changes of the document, the latest first', response: { 200: HistorySchema, '4xx': ErrorSchema } } },
    async () => {
      const [{ versions }, stored] = await Promise.all([store.history({ limit: SHOWN_VERSIONS }), store.read()]);
      // Nacos says who and when; what it was for, this console's own log does.
      const texts = await Promise.all(versions.map(({ id }) => versionText(id)));
      // Versions and entries, both from the latest on: where the same content came twice, each finds its own.
      const entries = context.audit.changesByContent();
      return {
        versions: versions.map(({ id, kind, at, by }, i) => {
          const md5 = texts[i] === undefined ? undefined : md5Of(texts[i]);
          const candidates = md5 === undefined ? [] : (entries.get(md5) ?? []);
          // Somebody else may have made the same, elsewhere.
          const entry = by === undefined || by === candidates[0]?.who ? candidates.shift() : undefined;
          const who = by ?? entry?.who;
          return {
            version: id,
            at: at ?? '',
            operation: kind,
            isCurrent: i === 0 && md5 !== undefined && md5 === stored.md5,
            ...(md5 === undefined ? {} : { md5 }),
            ...(who === undefined ? {} : { who }),
            ...(entry === undefined ? {} : { action: entry.action, ...(entry.target === undefined ? {} : { target: entry.target }) }),
          };
        }),
      };
    },
  );

  /** Texts of versions never change, and are asked for once. */
  const texts = new Map<string, Promise<string | undefined>>();
  function versionText(id: string): Promise<string | undefined> {
    let text = texts.get(id);
    if (text === undefined) {
      if (texts.size >= 1_000) texts.delete(texts.keys().next().value as string);
      texts.set(
        id,
        (text = store.version(id).then(
          (version) => version.text,
          (error: unknown) => {
            texts.delete(id);
            throw error;
          },
        )),
      );
    }
    return text;
  }

  api.get(
    '/api/history/:version',
    {
      schema: {
        tags: ['document'],
        summary: 'The document after and before a change',
        params: VersionParameters,
        response: { 200: VersionSchema, '4xx': ErrorSchema },
      },
    },
    async (request) => {
      const { version } = request.params;
      const { versions } = await store.history({ limit: SHOWN_VERSIONS + 1 });
      const i = versions.findIndex(({ id }) => id === version);
      const before = i === -1 ? undefined : versions[i + 1];
      return { version, text: (await versionText(version)) ?? '', before: before === undefined ? '' : ((await versionText(before.id)) ?? '') };
    },
  );

  api.post(
    '/api/history/:version/rollback',
    {
      schema: {
        tags: ['document'],
        summary: 'Go back to a version',
        params: VersionParameters,
        response: { 200: ChangedSchema, '4xx': ErrorSchema },
      },
    },
    async (request) => {
      const { version } = request.params;
      const changed = await store.rollback(version, { by: request.user?.name });
      if (changed.isChanged) audit(context, request, { action: 'rolled-back', target: version, md5After: changed.md5 });
      return { md5: changed.md5 };
    },
  );

  api.get('/api/audit', { schema: { tags: ['document'], summary: 'Who did what', response: { 200: AuditSchema } } }, () => ({
    entries: [...context.audit.latest(SHOWN_ENTRIES)],
  }));
}

function md5Of(text: string): string {
  return createHash('md5').update(text).digest('hex');
}
