import { freePort } from '../free-port.mjs';
import { build, npm } from '../installs.mjs';
import { aAndC, SHOP_REQUESTS, SHOP_SERVICES } from '../shop.mjs';

export default {
  title: 'A (Express) -> B (Midway) -> C (Express)',
  services: SHOP_SERVICES,
  entry: 'spring-cloud-a',
  async install() {
    npm('midway');
    build('midway', ['src', 'tsconfig.json'], 'dist');
  },
  processes: async ({ root }) => [
    ...aAndC(root),
    ...(await Promise.all(
      ['base', 'gray'].map(async (lane) => ({
        name: `B ${lane}`,
        command: process.execPath,
        args: ['bootstrap.js'],
        agent: true,
        env: { PORT: String(await freePort()), ...(lane === 'gray' ? { NAME: 'Bgray', LANE_TAG: 'gray' } : {}) },
        ready: /registered as/,
      })),
    )),
  ],
  requests: SHOP_REQUESTS,
};
