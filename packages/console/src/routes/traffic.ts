import { TrafficSchema } from '../schemas.js';
import type { Api, RouteContext } from './context.js';

/** What the instances tell of their traffic. */
export function trafficRoutes(api: Api, { traffic }: RouteContext): void {
  api.get(
    '/api/traffic',
    {
      config: { access: 'viewer' },
      schema: { tags: ['registry'], summary: 'Who calls whom, as the instances count it', response: { 200: TrafficSchema } },
    },
    () => traffic.collect(),
  );
}
