import type { Instrumentation } from '../instrumentation.js';

/** All instrumentations by their name in LANE_DISABLE. Loaded only where they are not left out. */
export const INSTRUMENTATIONS: Readonly<Record<string, () => Instrumentation>> = {
  'http-server': () => (require('./http-server.js') as typeof import('./http-server.js')).httpServer,
  'http-client': () => (require('./http-client.js') as typeof import('./http-client.js')).httpClient,
  undici: () => (require('./undici.js') as typeof import('./undici.js')).undici,
  nacos: () => (require('./nacos.js') as typeof import('./nacos.js')).nacos,
  'nacos-grpc': () => (require('./nacos-grpc.js') as typeof import('./nacos-grpc.js')).nacosGrpc,
};
