/** Replacements for methods of node:http's clients, and listeners for their sockets: loaded when the first of them is used. */
import { connectRoutedSockets } from '../connecting/routed-sockets.js';
import type net from 'node:net';
import { hearHttpAnswers, hearHttpUpgrades } from '../connecting/answers.js';
import type { Outbound } from '../outbound.js';
import { tellOfUnresolvedNames } from '../unresolved-names.js';
import { addRequestToRightInstance, type AddRequest } from './destination.js';
import { decideProxyOnce, keepInsideCallsDirect } from './env-proxy.js';
export { storeHeaderWithLane } from './headers.js';
import { LANE, rememberLane, type Request } from './request-lane.js';
import { safely } from '../../patching/safely.js';

/** Starts listening to sockets and answers, and to proxy decisions. */
export function hearSockets(outbound: Outbound): void {
  keepInsideCallsDirect(outbound);
  tellOfUnresolvedNames(outbound.unresolved);
  connectRoutedSockets(outbound.connecting);
  if (outbound.connecting.judgesAnswers) hearHttpAnswers(outbound.connecting);
}

/** `http.Agent.prototype.addRequest`. */
export function addRequest(original: AddRequest, outbound: Outbound): AddRequest {
  return decideProxyOnce(original, (direct) => addRequestToRightInstance(direct, original, outbound));
}

/** `http.ClientRequest.prototype.onSocket`. */
export function onSocket(original: Request['onSocket'], { connecting }: Outbound): Request['onSocket'] {
  const hearUpgrade = connecting.judgesAnswers ? safely('http-client upgrades', hearHttpUpgrades(connecting)) : undefined;
  return function onSocket(this: Request, ...args): void {
    // Without an agent, we first see the request here, still in the lane that made it.
    if (this[LANE] === undefined) rememberLane(this);
    const [socket] = args;
    if (socket !== undefined && socket !== null) hearUpgrade?.(this, socket as net.Socket);
    Reflect.apply(original, this, args);
  };
}
