import { join } from 'node:path';
import { python } from '../installs.mjs';
import { aAndC, SHOP_REQUESTS, SHOP_SERVICES } from '../shop.mjs';

let programs;

export default {
  title: 'A (Node) -> B (Flask, OpenTelemetry) -> C (Node)',
  services: SHOP_SERVICES,
  entry: 'spring-cloud-a',
  async install() {
    programs = python('python-flask-in-the-middle');
  },
  processes: ({ root }) => [
    ...aAndC(root),
    ...['base', 'gray'].map((lane) => ({
      name: `B ${lane}`,
      command: join(programs, 'opentelemetry-instrument'),
      // We want only baggage: no exporters.
      args: [...['traces', 'metrics', 'logs'].map((signal) => `--${signal}_exporter=none`), join(programs, 'python'), 'app.py'],
      env: lane === 'gray' ? { NAME: 'Bgray', TAG: 'gray' } : {},
      ready: /registered as/,
    })),
  ],
  requests: SHOP_REQUESTS,
};
