/** All routes of the console, a file for each resource. */
import type { Pages } from '../pages.js';
import { auditRoutes } from './audit.js';
import type { Api, RouteContext } from './context.js';
import { documentRoutes } from './document.js';
import { explanationRoutes } from './explanations.js';
import { groupRoutes } from './groups.js';
import { historyRoutes } from './history.js';
import { laneRoutes } from './lanes.js';
import { pageRoutes } from './pages.js';
import { serviceRoutes } from './services.js';
import { sessionRoutes } from './session.js';
import { trafficRoutes } from './traffic.js';
import { ConsoleError } from '../console-error.js';

/** Adds them; `description` is that of the API. */
export function addRoutes(api: Api, context: RouteContext, pages: Pages, description: object): void {
  sessionRoutes(api, context);
  groupRoutes(api, context);
  laneRoutes(api, context);
  serviceRoutes(api, context);
  trafficRoutes(api, context);
  explanationRoutes(api, context);
  documentRoutes(api, context);
  historyRoutes(api, context);
  auditRoutes(api, context);
  api.get('/api/openapi.json', { config: { access: 'viewer' } }, () => description);
  // Otherwise the pages would answer it.
  api.all('/api/*', { config: { access: 'viewer' } }, ({ method, url }) => {
    throw new ConsoleError('ELANE_NOT_FOUND', `the API has no ${method} ${url.split('?')[0]}: GET /api/openapi.json describes it`);
  });
  pageRoutes(api, pages);
}
