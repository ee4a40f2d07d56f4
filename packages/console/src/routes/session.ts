import { stringifySetCookie } from 'cookie';
import { SESSION_COOKIE } from '../access/sessions.js';
import { sessionOf } from '../access/gate.js';
import type { User } from '../access/accounts.js';
import { SessionSchema, SignInSchema, ErrorSchema } from '../schemas.js';
import { audit, type Api, type RouteContext } from './context.js';

/** Who is signed in; signing in and out. */
export function sessionRoutes(api: Api, context: RouteContext): void {
  const { gate, connection, version, isByTls } = context;
  const describe = (user: User | undefined) => ({
    user: user ?? null,
    authentication: gate.authentication,
    // Do not reveal the address of Nacos before sign-in.
    ...(user === undefined ? {} : { nacos: { server: connection.server, namespace: connection.namespace } }),
    version,
  });
  /** Scripts can't read it, other sites can't cause it to be sent, and with TLS it is sent over TLS only. */
  const cookie = (value: string, maxAge: number): string =>
    stringifySetCookie(SESSION_COOKIE, value, { httpOnly: true, sameSite: 'strict', secure: isByTls, path: '/', maxAge });

  api.get(
    '/api/session',
    { config: { access: 'anyone' }, schema: { tags: ['session'], summary: 'Who is signed in', response: { 200: SessionSchema } } },
    (request) => describe(request.user),
  );

  api.post(
    '/api/session',
    {
      config: { access: 'anyone' },
      // Nobody is authenticated yet, and a token is short.
      bodyLimit: 8 * 1024,
      schema: { tags: ['session'], summary: 'Sign in with a token', body: SignInSchema, response: { 200: SessionSchema, '4xx': ErrorSchema } },
    },
    async (request, reply) => {
      if (gate.authentication === 'none') return describe(request.user);
      const user = gate.signIn(request, request.body.token);
      gate.sessions.end(sessionOf(request));
      request.user = user;
      audit(context, request, { action: 'sign-in' });
      void reply.header('set-cookie', cookie(gate.sessions.begin(user), 12 * 60 * 60));
      return describe(user);
    },
  );

  api.delete('/api/session', { config: { access: 'anyone' }, schema: { tags: ['session'], summary: 'Sign out' } }, async (request, reply) => {
    const session = sessionOf(request);
    if (gate.sessions.userOf(session) !== undefined) audit(context, request, { action: 'sign-out' });
    gate.sessions.end(session);
    return reply.header('set-cookie', cookie('', 0)).code(204).send();
  });
}
