import { freePort } from '../free-port.mjs';
import { build, npm } from '../installs.mjs';
import { shop, SHOP_SERVICES } from '../shop.mjs';

export default {
  title: 'Web (Next.js) -> A -> B -> C (Express)',
  services: ['web', ...SHOP_SERVICES],
  entry: 'web',
  async install() {
    npm('nextjs');
    build('nextjs', ['app', 'instrumentation.js', 'next.config.mjs', 'package.json'], '.next/BUILD_ID');
  },
  processes: async ({ root }) => [
    ...shop(root, ['a', 'b', 'c']),
    ...(await Promise.all(
      ['base', 'gray'].map(async (lane) => {
        const port = String(await freePort());
        return {
          name: `Web ${lane}`,
          command: process.execPath,
          args: ['node_modules/next/dist/bin/next', 'start', '--hostname', '127.0.0.1', '--port', port],
          agent: true,
          env: { PORT: port, NEXT_TELEMETRY_DISABLED: '1', ...(lane === 'gray' ? { NAME: 'Webgray', LANE_TAG: 'gray' } : {}) },
          ready: /web registered as/,
        };
      }),
    )),
  ],
  requests: [
    { path: '/', answer: />Web -&gt; A\[[\d.:]+\] -&gt; B\[[\d.:]+\] -&gt; C\[[\d.:]+\]</, show: />(Web[^<]*)</ },
    { path: '/', gray: true, answer: />Webgray -&gt; Agray\[[\d.:]+\] -&gt; Bgray\[[\d.:]+\] -&gt; Cgray\[[\d.:]+\]</, show: />(Web[^<]*)</ },
  ],
};
