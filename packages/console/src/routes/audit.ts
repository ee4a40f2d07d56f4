import { AuditSchema } from '../schemas.js';
import type { Api, RouteContext } from './context.js';

const SHOWN_ENTRIES = 200;

/** Who did what. */
export function auditRoutes(api: Api, { audit }: RouteContext): void {
  api.get(
    '/api/audit',
    { config: { access: 'viewer' }, schema: { tags: ['document'], summary: 'Who did what', response: { 200: AuditSchema } } },
    () => ({ entries: [...audit.latest(SHOWN_ENTRIES)] }),
  );
}
