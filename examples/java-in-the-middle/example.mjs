import { join } from 'node:path';
import { maven } from '../installs.mjs';
import { aAndC, SHOP_REQUESTS, SHOP_SERVICES } from '../shop.mjs';

let built;

export default {
  title: 'A (Node) -> B (Spring Cloud Alibaba, OpenFeign, OpenTelemetry) -> C (Node)',
  nacos: 'real',
  services: SHOP_SERVICES,
  entry: 'spring-cloud-a',
  async install() {
    built = maven('java-in-the-middle', 'java');
  },
  processes: ({ root }) => [
    ...aAndC(root),
    ...['base', 'gray'].map((lane) => ({
      name: `B ${lane}`,
      command: 'java',
      args: [
        `-javaagent:${join(built, 'opentelemetry-javaagent.jar')}`,
        // We want only baggage: no exporters.
        ...['traces', 'metrics', 'logs'].map((signal) => `-Dotel.${signal}.exporter=none`),
        ...['-Xmx256m', '-XX:TieredStopAtLevel=1'],
        // Nacos' client writes its log to the home folder.
        `-Duser.home=${built}`,
        ...['-jar', join(built, 'java-b.jar')],
      ],
      // This is how a Java instance gets its tag: metadata in Nacos.
      env: lane === 'gray' ? { NAME: 'Bgray', SPRING_CLOUD_NACOS_DISCOVERY_METADATA_LANE: 'gray' } : {},
      ready: /Started B in/,
    })),
  ],
  requests: SHOP_REQUESTS,
};
