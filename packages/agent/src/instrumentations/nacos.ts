/**
 * The npm package `nacos` (HTTP v1): its naming client registers with the tag and discovers within the lane.
 *
 * Patched as the client's file loads, so that whoever takes the class, and however, gets the patched prototype. What is
 * done there is the business of @lane/nacos-registry's adapter.
 * Limit: a `nacos` that a bundler has put into the app's own file is out of reach; mark it external.
 */
import type { Instrumentation } from '../instrumentation.js';
import { onFileLoaded } from '../module-hook.js';
import { decorateSdk } from '../nacos-link.js';

/** From the inside out; a later one finds the class patched already. */
const FILES = ['nacos-naming/lib/naming/client.js', 'nacos-naming/index.js', 'nacos/dist/index.js'];

export const nacos: Instrumentation = {
  name: 'nacos',
  library: 'nacos, nacos-naming',
  versions: '2.x',
  patches: 'NacosNamingClient.prototype: registerInstance, getAllInstances, selectInstances, subscribe, unSubscribe',
  install(runtime) {
    for (const file of FILES) onFileLoaded(file, (exports) => decorateSdk('nacos', exports, runtime));
  },
};
