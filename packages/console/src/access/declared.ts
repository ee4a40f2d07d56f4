/** Each route declares who may use it; one that does not is never served, so that nobody forgets. */
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
 * Requires every route added from now on to declare its access (`config.access`): adding one without throws, so that the console does not start.
 * The returned list grows with the routes.
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
