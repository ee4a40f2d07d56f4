/** What a handshake came to is told for outliers; the lane and the destination are tried on the library itself (test/matrix). */
import { EventEmitter } from 'node:events';
import { expect, test } from 'vitest';
import type { LoadedFile } from '../patching/instrumentation.js';
import { patch } from './faye-websocket.js';

/** As faye-websocket 0.11 has it: a driver that tells, with the status of the answer, and the socket. */
class Client {
  readonly _driver: EventEmitter & { statusCode?: number } = new EventEmitter();
  readonly _stream = { remoteAddress: '10.0.0.1', remotePort: 80 };
}

test.each<[what: string, event: string, status: number | undefined, options: object | undefined, told: unknown[]]>([
  ['that opens', 'open', 101, undefined, ['10.0.0.1', 80, 101]],
  ['that is refused', 'error', 503, undefined, ['10.0.0.1', 80, 503]],
  ['that nobody answers', 'error', undefined, undefined, []],
  ['by a proxy', 'open', 101, { proxy: { origin: 'http://proxy' } }, []],
])('a WebSocket %s', (_, event, statusCode, options, told) => {
  const heard: unknown[] = [];
  const connecting = { judgesAnswers: true, minds: () => true, responded: (...answer: unknown[]) => void heard.push(...answer) };
  const holder = { exports: Client as new (url: string, protocols?: unknown, options?: object) => Client };
  patch({ holder, runtime: { connecting, router: { isEmpty: true }, propagation: {}, codec: {}, observers: {} } } as unknown as LoadedFile);
  const { _driver: driver } = new holder.exports('ws://a/', [], options);
  Object.assign(driver, { statusCode });
  driver.emit(event, new Error('as the driver has it'));
  // What goes wrong once it is open is no further answer.
  driver.on('error', () => {}).emit('error', new Error('later'));
  expect(heard).toEqual(told);
});
