/** Loads the tests' helpers that start servers, which are TypeScript, without vitest. */
import { readFileSync } from 'node:fs';
import Module, { createRequire } from 'node:module';
import { transformSync } from 'esbuild';

const require = createRequire(import.meta.url);
const resolve = Module._resolveFilename;

require.extensions['.ts'] = (module, file) => {
  const { code } = transformSync(readFileSync(file, 'utf8'), { loader: 'ts', format: 'cjs', target: 'node20', sourcefile: file });
  module._compile(code, file);
};
// Imports name the file that the compiler would write.
Module._resolveFilename = function (request, parent, ...rest) {
  const isOurs = request.startsWith('.') && request.endsWith('.js') && parent?.filename?.endsWith('.ts') === true;
  return resolve.call(this, isOurs ? `${request.slice(0, -3)}.ts` : request, parent, ...rest);
};

/** The exports of a TypeScript file; the path is relative to this folder. */
export const load = (path) => require(path);
