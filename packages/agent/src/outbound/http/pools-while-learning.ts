/**
 * An http.Agent finds its pools by a name of host and port, which all lanes share while a service called by name is being learnt. Until its
 * instances are known, each lane has its own pools. From then on pools are named by addresses of instances.
 */
import http from 'node:http';
import { wrap } from '../../patching/wrap.js';
import { Learning, ROUTE, type Route } from '../connecting/routed-sockets.js';

type GetName = (this: http.Agent, options?: { [ROUTE]?: Route }) => string;

let isDone = false;

/** On from the first request that waits; before that, names cost nothing. */
export function keepPoolsOfLanesApart(): void {
  if (isDone) return;
  isDone = true;
  wrap(http.Agent.prototype, 'getName', (original: GetName) => {
    return function getName(this: http.Agent, options?: { [ROUTE]?: Route }): string {
      const name = original.call(this, options);
      const route = options?.[ROUTE];
      return route instanceof Learning ? `${name}:lane=${route.tag ?? ''}` : name;
    };
  });
}
