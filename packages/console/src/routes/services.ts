import { compileLaneGroups } from '@lane/core/rules';
import { explainHop, isUsable, type InstanceTags, type SurveyedService, type Tag } from '@lane/core/model';
import { ConsoleError } from '../console-error.js';
import { wordsOf } from '../traffic/agents-views.js';
import { ErrorSchema, HopSchema, HopTag, ServiceParameters, ServicesSchema } from '../schemas.js';
import type { Api, RouteContext } from './context.js';

const MAX_LISTED = 1_000;
const MAX_INSTANCES = 200;

/** The services of the registry, and the tags of their instances. */
export function serviceRoutes(api: Api, { store, surveyor, agents }: RouteContext): void {
  api.get(
    '/api/services',
    {
      config: { access: 'viewer' },
      schema: {
        tags: ['registry'],
        summary: 'Services that Nacos knows, and the tags of their instances',
        response: { 200: ServicesSchema, '4xx': ErrorSchema },
      },
    },
    async () => {
      const [{ document }, survey] = await Promise.all([store.read(), surveyor.survey()]);
      const tags = surveyor.tagsUnder(compileLaneGroups(document));
      return {
        services: survey.slice(0, MAX_LISTED).map((service) => ({ name: service.name, ...countTags(service, tags) })),
        leftOut: Math.max(0, survey.length - MAX_LISTED),
      };
    },
  );

  api.get(
    '/api/services/:service/hop',
    {
      config: { access: 'viewer' },
      schema: {
        tags: ['registry'],
        summary: 'Which instances of a service serve calls of a tag, and why',
        params: ServiceParameters,
        querystring: HopTag,
        response: { 200: HopSchema, '4xx': ErrorSchema },
      },
    },
    async ({ params: { service }, query: { tag } }) => {
      const [{ document }, { services }] = await Promise.all([store.read(), surveyor.surveySoon()]);
      const rules = compileLaneGroups(document);
      const one = services.filter(({ name }) => name === service);
      const table = surveyor.tablesOf(one, rules)(service);
      if (table === undefined) throw new ConsoleError('ELANE_NOT_FOUND', `Nacos knows no service ${service}`);
      const isDisabled = tag !== undefined && rules.isDisabledTag(tag);
      const words = wordsOf(await agents.soon(services), table.key);
      const hop = explainHop(table, isDisabled ? undefined : tag);
      return {
        isDisabled,
        hop: { ...hop, instances: hop.instances.slice(0, MAX_INSTANCES), agents: words.slice(0, MAX_INSTANCES) },
        leftOut: Math.max(0, hop.instances.length - MAX_INSTANCES),
      };
    },
  );
}

interface Count {
  usable: number;
  total: number;
}

/** How many instances carry no tag, and how many each tag, in the order of the alphabet. */
function countTags({ name, instances }: SurveyedService, tags: InstanceTags): { base: Count; tags: Array<Count & { tag: Tag }> } {
  const base: Count = { usable: 0, total: 0 };
  const counts = new Map<Tag, Count>();
  for (const instance of instances) {
    const tag = tags.tagOf(name, instance);
    let count = tag === undefined ? base : counts.get(tag);
    if (count === undefined) counts.set(tag as Tag, (count = { usable: 0, total: 0 }));
    if (isUsable(instance)) count.usable++;
    count.total++;
  }
  return { base, tags: [...counts].map(([tag, count]) => ({ tag, ...count })).toSorted((a, b) => (a.tag < b.tag ? -1 : 1)) };
}
