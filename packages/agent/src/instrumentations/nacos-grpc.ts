/**
 * `nacos-sdk-rust-binding-node` (gRPC, Nacos 2.x and 3.x): its naming client registers with the tag and discovers within
 * the lane. The class is native; its prototype is patched like any other.
 */
import type { Instrumentation } from '../instrumentation.js';
import { onFileLoaded } from '../module-hook.js';
import { decorateSdk } from '../nacos-link.js';

export const nacosGrpc: Instrumentation = {
  name: 'nacos-grpc',
  library: 'nacos-sdk-rust-binding-node',
  versions: '0.8',
  patches:
    'NacosNamingClient.prototype: registerInstance, batchRegisterInstance, getAllInstances, selectInstances, selectOneHealthyInstance, subscribe',
  install(runtime) {
    onFileLoaded('nacos-sdk-rust-binding-node/index.js', (exports) => decorateSdk('nacos-sdk-rust-binding-node', exports, runtime));
  },
};
