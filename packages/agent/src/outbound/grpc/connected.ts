/**
 * Connected channels: a call goes to a channel only once it is connected. If it does not connect, nothing of the call has been sent, and
 * another one can be tried.
 */
import type { Attempt, Connecting } from '../connecting/connecting.js';
import type { Channel } from './siblings.js';

/** States of channels (grpc's connectivity semantics: https://github.com/grpc/grpc/blob/master/doc/connectivity-semantics-and-api.md). */
const IDLE = 0;
const CONNECTING = 1;
/** The channel is connected. */
export const READY = 2;
const TRANSIENT_FAILURE = 3;

/** Whether calls on the channel are sent at once; if not, it starts connecting. */
export function isReady(channel: Channel): boolean {
  return channel.getConnectivityState(true) === READY;
}

/** Whether the channel failed to connect, and waits before it tries again. */
export function hasFailed(channel: Channel): boolean {
  return channel.getConnectivityState(false) === TRANSIENT_FAILURE;
}

/**
 * Resolves with the channel for the call: to an instance that accepted the connection, or if none did, the last one tried, whose error
 * the call then gets. `channelTo` returns the channel to the attempt's instance. Never rejects.
 */
export function connectedChannel(connecting: Connecting, attempt: Attempt, deadline: Date | number, channelTo: () => Channel): Promise<Channel> {
  return new Promise((resolve) => {
    let channel = channelTo();
    const look = (): void => {
      try {
        const state = channel.getConnectivityState(true);
        if (state === IDLE || state === CONNECTING) {
          // After the deadline the call is over.
          channel.watchConnectivityState(state, deadline, (error) => (error === undefined ? look() : resolve(channel)));
          return;
        }
        // A TLS failure or a timeout does not count against the address.
        if (state === TRANSIENT_FAILURE && connecting.isRefused(attempt.instance) && attempt.next() !== undefined) {
          channel = channelTo();
          look();
          return;
        }
      } catch {
        // It has been closed: the call says so.
      }
      resolve(channel);
    };
    look();
  });
}
