/** Each route says who may use it. What says nothing is not served: whoever adds a route has to think of that. */
import type { FastifyInstance } from 'fastify';
import type { Access } from './accounts.js';

/** A route, and who may use it. */
export interface DeclaredRoute {
  readonly method: string;
  /** The pattern, as the router has it. */
  readonly url: string;
  readonly access: Access;
}

const ACCESSES: readonly unknown[] = ['anyone', 'viewer', 'editor'] satisfies Access[];

/** Whether a route's `config.access` is one. */
export function isAccess(value: unknown): value is Access {
  return ACCESSES.includes(value);
}

/**
 * Has every route that is added from now on declare its access (`config.access`); one that doesn't is an error as it is added, so that
 * the console does not start. The list grows with the routes.
 */
export function requireAccess(app: Pick<FastifyInstance, 'addHook'>): readonly DeclaredRoute[] {
  const declared: DeclaredRoute[] = [];
  app.addHook('onRoute', ({ method, url, config }) => {
    const access: unknown = config?.access;
    for (const one of [method].flat()) {
      if (!isAccess(access))
        throw new Error(`the route ${one} ${url} does not say who may use it: give it config.access: 'anyone', 'viewer' or 'editor'`);
      declared.push({ method: one, url, access });
    }
  });
  return declared;
}
