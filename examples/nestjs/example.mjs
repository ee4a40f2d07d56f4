import { build, npm } from '../installs.mjs';
import { aAndC, SHOP_REQUESTS, SHOP_SERVICES } from '../shop.mjs';

export default {
  title: 'A (Express) -> B (NestJS) -> C (Express)',
  services: SHOP_SERVICES,
  entry: 'spring-cloud-a',
  async install() {
    npm('nestjs');
    build('nestjs', ['src', 'tsconfig.json'], 'dist');
  },
  processes: ({ root }) => [
    ...aAndC(root),
    ...['base', 'gray'].map((lane) => ({
      name: `B ${lane}`,
      command: process.execPath,
      args: ['dist/main.js'],
      agent: true,
      env: lane === 'gray' ? { NAME: 'Bgray', LANE_TAG: 'gray' } : {},
      ready: /registered as/,
    })),
  ],
  requests: SHOP_REQUESTS,
};
