/**
 * The npm package `nacos` (HTTP v1): its naming client registers with the tag and discovers within the lane.
 *
 * Patched as the client's file loads, so that whoever takes the class, and however, gets the patched prototype. What is
 * done there is the business of @lane/nacos-registry's adapter.
 * Limit: a `nacos` that a bundler has put into the app's own file is out of reach; mark it external.
 */
import { startInBackground } from '../patching/in-background.js';
import type { LoadedFile } from '../patching/instrumentation.js';

export function patch({ exports, file, runtime }: LoadedFile): void {
  // A client begins its beats as it is made, perhaps by a request.
  if (file.endsWith('/beat_reactor.js')) {
    startInBackground((exports as { prototype: object }).prototype, '_startBeat');
    return;
  }
  runtime.nacos.decorateSdk('nacos', exports);
}
