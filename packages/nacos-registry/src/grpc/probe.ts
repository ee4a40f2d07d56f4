import { codeOf, messageOf } from '@lane/core/model';

const PROBE_TIMEOUT_MS = 3_000;

/** Whether something listens there; gives what is wrong, or undefined. Gives up after 3 s. */
export function probe(host: string, port: number, holdProcess: boolean): Promise<string | undefined> {
  const { connect } = require('node:net') as typeof import('node:net');
  return new Promise((resolve) => {
    const socket = connect({ host, port });
    if (!holdProcess) socket.unref();
    const finish = (problem: string | undefined): void => {
      socket.destroy();
      resolve(problem);
    };
    socket.setTimeout(PROBE_TIMEOUT_MS, () => finish('no answer in time'));
    socket.on('connect', () => finish(undefined));
    socket.on('error', (error) => finish(codeOf(error) ?? messageOf(error)));
  });
}
