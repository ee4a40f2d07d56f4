/** Explains where a request would go, and why. */
import { compileLaneGroups, explainEntry, groupNamed, requestView, LaneNotFoundError } from '@lane/core/rules';
import { explainHop } from '@lane/core/model';
import { ConsoleError } from '../console-error.js';
import { wordsOf } from '../traffic/agents-views.js';
import { ErrorSchema, ExplainSchema, ExplanationSchema } from '../schemas.js';
import type { Api, RouteContext } from './context.js';

/** Explains requests. */
export function explanationRoutes(api: Api, { store, surveyor, agents }: RouteContext): void {
  api.post(
    '/api/explanations',
    {
      // It changes nothing, so viewers may call it.
      config: { access: 'viewer' },
      schema: {
        tags: ['registry'],
        summary: 'Explain where a request goes, and why',
        body: ExplainSchema,
        response: { 200: ExplanationSchema, '4xx': ErrorSchema },
      },
    },
    async (request) => {
      const { group: groupName, host, path, method, headers, clientIp, tag: given } = request.body;
      const [{ document }, survey] = await Promise.all([store.read(), surveyor.survey()]);
      const views = await agents.soon(survey);
      const group = named(() => groupNamed(document, groupName));
      const rules = compileLaneGroups(document);
      const tableOf = surveyor.tablesOf(survey, rules);
      const view = requestView({
        method,
        url: path,
        headers: {
          ...Object.fromEntries(Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value])),
          ...(host === '' ? {} : { host }),
        },
        clientIp,
      });
      const [entryService] = group.entry?.services ?? [];
      const entry = given !== undefined || entryService === undefined ? undefined : explainEntry(document, entryService, view, Math.random);
      const tag = given ?? entry?.match?.tag;
      const isDisabled = tag !== undefined && rules.isDisabledTag(tag);
      return {
        ...(entry === undefined ? {} : { entry }),
        ...(tag === undefined ? {} : { tag }),
        isDisabled,
        hops: group.services.map((service) => {
          const table = tableOf(service);
          const effective = isDisabled ? undefined : tag;
          return table === undefined
            ? { service, tag: effective, verdict: 'unavailable' as const, reason: 'none' as const, fallback: undefined, instances: [], agents: [] }
            : { ...explainHop(table, effective), agents: wordsOf(views, table.key) };
        }),
      };
    },
  );
}

function named<T>(find: () => T): T {
  try {
    return find();
  } catch (error) {
    if (error instanceof LaneNotFoundError) throw new ConsoleError('ELANE_NOT_FOUND', error.message);
    throw error;
  }
}
