import { ErrorSchema, TrafficSchema, TrafficWindow } from '../schemas.js';
import type { Api, RouteContext } from './context.js';

/** What the instances tell of their traffic. */
export function trafficRoutes(api: Api, { traffic }: RouteContext): void {
  api.get(
    '/api/traffic',
    {
      config: { access: 'viewer' },
      schema: {
        tags: ['registry'],
        summary: 'Calls between services, as the instances count them',
        querystring: TrafficWindow,
        response: { 200: TrafficSchema, '4xx': ErrorSchema },
      },
    },
    ({ query: { seconds, until } }) =>
      seconds === undefined ? traffic.collect() : traffic.window(seconds, until === undefined ? undefined : new Date(until)),
  );
}
