/** The history of the document, and rollback. */
import { ChangedSchema, ErrorSchema, HistorySchema, VersionParameters, VersionSchema } from '../schemas.js';
import { audit, md5Of, type Api, type RouteContext } from './context.js';

const SHOWN_VERSIONS = 50;

/** Routes of its versions. */
export function historyRoutes(api: Api, context: RouteContext): void {
  const { store } = context;

  api.get(
    '/api/history',
    {
      config: { access: 'viewer' },
      schema: { tags: ['document'], summary: 'Changes of the document, the latest first', response: { 200: HistorySchema, '4xx': ErrorSchema } },
    },
    async () => {
      const [{ versions }, stored] = await Promise.all([store.history({ limit: SHOWN_VERSIONS }), store.read()]);
      // Nacos knows who and when; the console's own log knows what it was for.
      const texts = await Promise.all(versions.map(({ id }) => versionText(id)));
      // Match versions and entries from the latest on, so that two with the same content both find their own.
      const entries = context.audit.changesByContent();
      return {
        versions: versions.map(({ id, kind, at, by }, i) => {
          const md5 = texts[i] === undefined ? undefined : md5Of(texts[i]);
          const candidates = md5 === undefined ? [] : (entries.get(md5) ?? []);
          // Somebody else may have made the same change elsewhere.
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

  /** Texts of versions never change, so each is requested once. */
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
      config: { access: 'viewer' },
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
      config: { access: 'editor' },
      schema: {
        tags: ['document'],
        summary: 'Restore a version',
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
}
