import { go } from '../installs.mjs';
import { aAndC, SHOP_REQUESTS, SHOP_SERVICES } from '../shop.mjs';

let program;

export default {
  title: 'A (Node) -> B (Go, OpenTelemetry) -> Lane gateway -> C (Node)',
  services: SHOP_SERVICES,
  entry: 'spring-cloud-a',
  within: ['spring-cloud-c'],
  async install() {
    program = go('go-in-the-middle');
  },
  processes: ({ root }) => [
    ...aAndC(root),
    ...['base', 'gray'].map((lane) => ({
      name: `B ${lane}`,
      command: program,
      args: [],
      env: lane === 'gray' ? { NAME: 'Bgray', TAG: 'gray' } : {},
      ready: /registered as/,
    })),
  ],
  requests: SHOP_REQUESTS,
};
