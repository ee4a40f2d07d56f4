/**
 * Makes one file of a library, which a package of ours then ships: an agent is installed with every app, and most of what these libraries put on the disk
 * are further copies of themselves. `scripts/third-party.mjs` lists which they are.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

/**
 * @param {typeof import('esbuild').build} build of esbuild
 * @param {string} library the name of a dev dependency of the package
 * @param {readonly string[]} exported what the file exports of it
 * @param {string} folder of the package
 * @returns {Promise<string>} a CommonJS file, which begins with the library's licence
 */
export async function bundleLibrary(build, library, exported, folder) {
  const { outputFiles } = await build({
    absWorkingDir: folder,
    stdin: { contents: `export { ${exported.join(', ')} } from ${JSON.stringify(library)};`, resolveDir: folder },
    bundle: true,
    write: false,
    platform: 'node',
    target: 'node20.19',
    format: 'cjs',
    minify: true,
    legalComments: 'none',
    logLevel: 'warning',
    banner: { js: `/*!\n${licenceOf(join(folder, 'node_modules', library))}\n*/` },
  });
  return outputFiles[0].text;
}

function licenceOf(folder) {
  const { name, version } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'));
  const file = readdirSync(folder).find((each) => /^licen[cs]e/i.test(each));
  if (file === undefined) throw new Error(`${name} has no file with its licence`);
  return `${name} ${version}\n\n${readFileSync(join(folder, file), 'utf8').trim().replaceAll('*/', '* /')}`;
}
