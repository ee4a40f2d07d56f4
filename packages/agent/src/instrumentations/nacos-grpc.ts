/**
 * `nacos-sdk-rust-binding-node` (gRPC, Nacos 2.x and 3.x): its naming client registers with the tag and discovers within
 * the lane. The class is native; its prototype is patched like any other.
 */
import type { LoadedFile } from '../patching/instrumentation.js';

export function patch({ exports, runtime }: LoadedFile): void {
  runtime.nacos.decorateSdk('nacos-sdk-rust-binding-node', exports);
}
