import { isUsable, type Instance } from '@lane/core/model';
import { ErrorSchema, ServicesSchema } from '../schemas.js';
import type { Api, RouteContext } from './context.js';

const MAX_LISTED = 1_000;

/** The services of the registry, and the tags of their instances. */
export function serviceRoutes(api: Api, { surveyor }: RouteContext): void {
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

  function count(instances: readonly Instance[], tag: string | undefined): { usable: number; total: number } {
    const own = instances.filter((instance) => surveyor.tagOf(instance) === tag);
    return { usable: own.filter(isUsable).length, total: own.length };
  }
}
