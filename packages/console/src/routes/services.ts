import { compileLaneGroups } from '@lane/core/rules';
import { explainHop, isUsable, type Instance } from '@lane/core/model';
import { ConsoleError } from '../console-error.js';
import { ErrorSchema, HopSchema, HopTag, ServiceParameters, ServicesSchema } from '../schemas.js';
import type { Api, RouteContext } from './context.js';

const MAX_LISTED = 1_000;
const MAX_INSTANCES = 200;

/** The services of the registry, and the tags of their instances. */
export function serviceRoutes(api: Api, { store, surveyor }: RouteContext): void {
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
      const survey = await surveyor.survey();
      return {
        services: survey.slice(0, MAX_LISTED).map(({ name, instances, tags }) => ({
          name,
          base: count(instances, undefined),
          tags: tags.map((tag) => ({ tag, ...count(instances, tag) })),
        })),
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
      const hop = explainHop(table, isDisabled ? undefined : tag);
      return {
        isDisabled,
        hop: { ...hop, instances: hop.instances.slice(0, MAX_INSTANCES) },
        leftOut: Math.max(0, hop.instances.length - MAX_INSTANCES),
      };
    },
  );

  function count(instances: readonly Instance[], tag: string | undefined): { usable: number; total: number } {
    const own = instances.filter((instance) => surveyor.tagOf(instance) === tag);
    return { usable: own.filter(isUsable).length, total: own.length };
  }
}
