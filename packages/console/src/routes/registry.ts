/** What the registry knows: services with the tags of their instances, traffic, and where a request would go. */
import { compileLaneGroups, explainEntry, groupNamed, requestView, LaneNotFoundError } from '@lane/core/rules';
import { explainHop, isUsable, tablesOf, tagOfMetadata, type FormatName, type Instance } from '@lane/core/model';
import { ConsoleError } from '../console-error.js';
import { ErrorSchema, ExplainSchema, ExplanationSchema, ServicesSchema, TrafficSchema } from '../schemas.js';
import type { Api, RouteContext } from './context.js';

const MAX_LISTED = 1_000;

/** Routes that read the registry. */
export function registryRoutes(api: Api, { store, surveyor, traffic, formats }: RouteContext): void {
  api.get(
    '/api/services',
    {
      schema: {
        tags: ['registry'],
        summary: 'Services that Nacos knows, and the tags of their instances',
        response: { 200: ServicesSchema, '4xx': ErrorSchema },
      },
    },
    async () => {
      const survey = await surveyor.survey();
      return {
        services: survey.slice(0, MAX_LISTED).map(({ name, instances, tags }) => ({
          name,
          base: count(instances, undefined, formats),
          tags: tags.map((tag) => ({ tag, ...count(instances, tag, formats) })),
        })),
        leftOut: Math.max(0, survey.length - MAX_LISTED),
      };
    },
  );

  api.get(
    '/api/traffic',
    { schema: { tags: ['registry'], summary: 'Who calls whom, as the instances count it', response: { 200: TrafficSchema } } },
    () => traffic.collect(),
  );

  api.post(
    '/api/explanations',
    {
      // It changes nothing: a viewer may ask.
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
      const group = named(() => groupNamed(document, groupName));
      const rules = compileLaneGroups(document);
      const tableOf = tablesOf(survey, rules, { formats });
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
            ? { service, tag: effective, verdict: 'unavailable' as const, reason: 'none' as const, fallback: undefined, instances: [] }
            : explainHop(table, effective);
        }),
      };
    },
  );
}

function count(instances: readonly Instance[], tag: string | undefined, formats: readonly FormatName[]): { usable: number; total: number } {
  const own = instances.filter(({ metadata }) => tagOfMetadata(metadata, formats) === tag);
  return { usable: own.filter(isUsable).length, total: own.length };
}

function named<T>(find: () => T): T {
  try {
    return find();
  } catch (error) {
    if (error instanceof LaneNotFoundError) throw new ConsoleError('ELANE_NOT_FOUND', error.message);
    throw error;
  }
}
