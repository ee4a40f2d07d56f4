/** The routes of the API. */
import type { Handler } from './call.js';
import { getHistory } from './config-history.js';
import { getConfig, listConfigs, listListeners, listenToConfigs, publishConfig, removeConfig } from './configs.js';
import { beat, deregister, getInstance, listInstances, register, update } from './instances.js';
import { getHealth, getMetrics, getState, listNamespaces, logIn } from './server.js';
import { createService, getService, listServices } from './services.js';

/** A route. `path` follows `/nacos/v1`; an `isOpen` one needs no credentials, because clients call it before they log in. */
export interface Route {
  readonly method: string;
  readonly path: string;
  readonly handler: Handler;
  readonly isOpen?: true;
}

const ROUTES: readonly Route[] = [
  { method: 'POST', path: '/auth/login', handler: logIn, isOpen: true },
  { method: 'POST', path: '/auth/users/login', handler: logIn, isOpen: true },
  { method: 'GET', path: '/ns/operator/metrics', handler: getMetrics, isOpen: true },
  { method: 'GET', path: '/console/health/readiness', handler: getHealth, isOpen: true },
  { method: 'GET', path: '/console/health/liveness', handler: getHealth, isOpen: true },
  { method: 'GET', path: '/console/server/state', handler: getState, isOpen: true },
  { method: 'GET', path: '/console/namespaces', handler: listNamespaces },

  { method: 'POST', path: '/ns/instance', handler: register },
  { method: 'PUT', path: '/ns/instance', handler: update },
  { method: 'DELETE', path: '/ns/instance', handler: deregister },
  { method: 'GET', path: '/ns/instance', handler: getInstance },
  { method: 'GET', path: '/ns/instance/list', handler: listInstances },
  { method: 'PUT', path: '/ns/instance/beat', handler: beat },
  { method: 'GET', path: '/ns/service/list', handler: listServices },
  { method: 'POST', path: '/ns/service', handler: createService },
  { method: 'GET', path: '/ns/service', handler: getService },

  { method: 'GET', path: '/cs/configs', handler: getConfig },
  { method: 'POST', path: '/cs/configs', handler: publishConfig },
  { method: 'DELETE', path: '/cs/configs', handler: removeConfig },
  { method: 'GET', path: '/cs/configs/listener', handler: listListeners },
  { method: 'POST', path: '/cs/configs/listener', handler: listenToConfigs },
  { method: 'GET', path: '/cs/history', handler: getHistory },
  { method: 'GET', path: '/cs/history/configs', handler: listConfigs },
];

const PREFIX = '/nacos/v1';
const byMethodAndPath = new Map(ROUTES.map((route) => [`${route.method} ${PREFIX}${route.path}`, route]));

/** The route of a request; undefined: there is none. `path` is the full path without trailing slashes. */
export function routeOf(method: string, path: string): Route | undefined {
  return byMethodAndPath.get(`${method} ${path}`);
}
