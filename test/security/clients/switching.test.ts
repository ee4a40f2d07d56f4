/**
 * A server that answers one of our clients with 101 leaves nobody waiting: Node silently ends the connection of a client without a listener for
 * that. For the console's requests to instances see ../console/traffic.test.ts, for the gateway ../gateway/odd-answers.test.ts.
 */
import { once } from 'node:events';
import { createServer, type AddressInfo } from 'node:net';
import { KubernetesApi } from '@lane/kubernetes-registry';
import { connectNacos } from '@lane/nacos-registry';
import { expect, onTestFinished, test } from 'vitest';
import { askAgent } from '../../../packages/cli/src/doctor/agent-status.js';

async function startSwitching(): Promise<string> {
  const server = createServer((socket) => {
    socket.on('error', () => {});
    socket.once('data', () => socket.write('HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: Upgrade\r\n\r\nx'));
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(() => void server.close());
  return `127.0.0.1:${(server.address() as AddressInfo).port}`;
}

test.each<[what: string, ask: (address: string) => Promise<unknown>]>([
  ['Nacos', (server) => connectNacos({ server, holdProcess: true }).get('doc', 'LANE')],
  ['Kubernetes', (address) => new KubernetesApi({ server: `http://${address}` }, { holdProcess: true }).request({ path: '/version' })],
  ['an agent', async (address) => Promise.reject(new Error(((await askAgent(address)) as { problem: string }).problem))],
])('a request to %s that is answered with 101 fails', async (_, ask) => {
  await expect(ask(await startSwitching())).rejects.toThrow('101');
});
