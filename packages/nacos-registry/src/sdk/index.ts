/** The adapters in one place; their code is loaded at the first use. */
import type { SdkAdapter } from './adapter.js';

/** The `nacos` package (HTTP, from 3.x on gRPC as well). */
export const nacosAdapter: SdkAdapter = {
  sdk: 'nacos',
  clientClass: 'NacosNamingClient',
  get methods() {
    return (require('./nacos.js') as typeof import('./nacos.js')).methods;
  },
};

/** The `nacos-sdk-rust-binding-node` package (gRPC). */
export const nacosGrpcAdapter: SdkAdapter = {
  sdk: 'nacos-sdk-rust-binding-node',
  clientClass: 'NacosNamingClient',
  get methods() {
    return (require('./nacos-grpc.js') as typeof import('./nacos-grpc.js')).methods;
  },
  get constructed() {
    return (require('./nacos-grpc.js') as typeof import('./nacos-grpc.js')).constructed;
  },
};
