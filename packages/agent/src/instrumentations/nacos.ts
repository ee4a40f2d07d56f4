/**
 * The npm package `nacos` (HTTP v1, from 3.x on gRPC as well): its naming client registers with the tag and discovers within the lane.
 *
 * Patched as the client's file loads, so that everybody gets the patched prototype. The adapter in @lane/nacos-registry
 * does the rest.
 * Limit: a `nacos` that a bundler has put into the app's own file is out of reach; mark it external.
 */
import { startInBackground } from '../patching/in-background.js';
import type { LoadedFile } from '../patching/instrumentation.js';

export function patch({ exports, file, runtime }: LoadedFile): void {
  // A client starts its beats in its constructor, perhaps within a request.
  if (file.endsWith('/beat_reactor.js')) {
    // 2.x exports the class itself.
    const { BeatReactor, prototype } = exports as { BeatReactor?: { prototype: object }; prototype: object };
    startInBackground(BeatReactor?.prototype ?? prototype, '_startBeat');
    return;
  }
  runtime.nacos.decorateSdk('nacos', exports);
}
