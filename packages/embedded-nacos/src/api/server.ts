/** The server itself: login, health, namespaces. */
import { NacosApiError } from '../api-error.js';
import type { Call, Resources } from './call.js';
import { TOKEN_TTL_S } from './sessions.js';

/** `POST /auth/login` and `POST /auth/users/login` */
export function logIn({ parameters }: Call, { sessions }: Resources): unknown {
  const accessToken = sessions.logIn(parameters);
  if (accessToken === undefined) throw new NacosApiError(403, 'unknown user!');
  return { accessToken, tokenTtl: TOKEN_TTL_S, globalAdmin: true, username: parameters.get('username') };
}

/** `GET /ns/operator/metrics` */
export function getMetrics(_call: Call, { naming }: Resources): unknown {
  return { status: 'UP', serviceCount: naming.serviceCount };
}

/** `GET /console/health/readiness` and `GET /console/health/liveness` */
export function getHealth(): string {
  return 'OK';
}

/** `GET /console/server/state` */
export function getState(): unknown {
  return { version: 'embedded', standalone_mode: 'standalone', function_mode: null };
}

/** `GET /console/namespaces`. None is created here: a namespace exists as soon as somebody uses it. */
export function listNamespaces(_call: Call, { naming }: Resources): unknown {
  const used = [...naming.namespaces()].filter((id) => id !== 'public');
  return {
    code: 200,
    message: null,
    data: [
      { namespace: '', namespaceShowName: 'public', quota: 200, configCount: 0, type: 0, madeOnUse: true },
      ...used.map((id) => ({ namespace: id, namespaceShowName: id, quota: 200, configCount: 0, type: 2 })),
    ],
  };
}
