/**
 * node:http and node:https clients, and everything built on them.
 *
 * `ClientRequest.prototype._storeHeader` is where headers are final, in any form. We merge with a `baggage` that the app sets itself, before or
 * after us. In `http.Agent.prototype.addRequest` the destination can still be changed; later, the pool has been asked for the wrong address. The
 * lane is taken when the request is made, and kept if it ends in another one. Both are underscore or undocumented methods, there since Node 0.x: if
 * one is missing, that half is left out, and logged. http-create-connection handles requests with `createConnection` and no agent, which never ask
 * an agent.
 */
import http from 'node:http';
import type { LateRuntime } from '../boot/late-runtime.js';
import type { AddRequest } from '../outbound/http/destination.js';
import type { StoreHeader } from '../outbound/http/headers.js';
import type { Request } from '../outbound/http/request-lane.js';
import { beforeSocketConnects } from '../patching/socket-hook.js';
import { wrapWhenCalled } from '../patching/wrap-when-called.js';

export function install(late: LateRuntime): void {
  const patches = (): typeof import('../outbound/http/client-patches.js') =>
    require('../outbound/http/client-patches.js') as typeof import('../outbound/http/client-patches.js');
  late.whenMade((runtime) => patches().hearSockets(runtime));
  beforeSocketConnects(() => void late.get());
  const chooses = wrapWhenCalled('http-client destination', http.Agent.prototype, 'addRequest', (original: AddRequest) =>
    patches().addRequest(original, late.get()),
  );
  const writes = wrapWhenCalled('http-client headers', http.ClientRequest.prototype, '_storeHeader', (original: StoreHeader) =>
    patches().storeHeaderWithLane(original, late.get()),
  );
  wrapWhenCalled('http-client lane', http.ClientRequest.prototype, 'onSocket', (original: Request['onSocket']) =>
    patches().onSocket(original, late.get()),
  );
  for (const [name, undo] of [
    ['Agent.addRequest', chooses],
    ['ClientRequest._storeHeader', writes],
  ] as const) {
    if (undo === undefined)
      late.log.warn(
        `node:http of ${process.version} has no ${name} to patch: calls ${name === 'Agent.addRequest' ? 'are not routed' : 'carry no tag'} there`,
      );
  }
}
