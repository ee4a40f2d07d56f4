/**
 * node:http and node:https clients, and all that is built on them.
 *
 * `ClientRequest.prototype._storeHeader` is where headers are final, in whatever form they were given; an app that sets
 * `baggage` itself, before or after us, is merged with. `http.Agent.prototype.addRequest` is where the destination can
 * still be changed: later, the pool has been asked for the wrong address. The lane is taken when the request is made: one
 * that is ended in another lane keeps it.
 * Both are underscore or undocumented methods, there since Node 0.x: where one is missing, that half is left out and said.
 * Requests with `createConnection` and no agent never ask an agent: http-create-connection is for them.
 */
import http from 'node:http';
import { hearHttpAnswers } from '../outbound/connecting/answers.js';
import { connectRoutedSockets } from '../outbound/connecting/routed-sockets.js';
import { addRequestToRightInstance, type AddRequest } from '../outbound/http/destination.js';
import { decideProxyOnce } from '../outbound/http/env-proxy.js';
import { storeHeaderWithLane, type StoreHeader } from '../outbound/http/headers.js';
import { LANE, rememberLane, type Request } from '../outbound/http/request-lane.js';
import type { Outbound } from '../outbound/outbound.js';
import { tellOfUnresolvedNames } from '../outbound/unresolved-names.js';
import { wrap } from '../patching/wrap.js';

export function install(outbound: Outbound): void {
  tellOfUnresolvedNames(outbound.unresolved);
  connectRoutedSockets(outbound.connecting);
  if (outbound.connecting.judgesAnswers) hearHttpAnswers(outbound.connecting);
  const chooses = wrap(http.Agent.prototype, 'addRequest', (original: AddRequest) =>
    decideProxyOnce(original, outbound, (direct) => addRequestToRightInstance(direct, original, outbound)),
  );
  const writes = wrap(http.ClientRequest.prototype, '_storeHeader', (original: StoreHeader) => storeHeaderWithLane(original, outbound));
  wrap(http.ClientRequest.prototype, 'onSocket', (original) => {
    return function onSocket(this: Request, ...args: never[]): unknown {
      // Without an agent this is the first that we see of the request, still in the lane that made it.
      if (this[LANE] === undefined) rememberLane(this);
      return Reflect.apply(original, this, args);
    };
  });
  for (const [name, undo] of [
    ['Agent.addRequest', chooses],
    ['ClientRequest._storeHeader', writes],
  ] as const) {
    if (undo === undefined)
      outbound.log.warn(
        `node:http of ${process.version} has no ${name} to patch: calls ${name === 'Agent.addRequest' ? 'are not routed' : 'carry no tag'} there`,
      );
  }
}
