/**
 * Bundles the agent. A start pays for each file that it opens and for each byte that it parses, so `dist` has these:
 *
 * - `register.js`, the preload itself: small and in old syntax, as what an old Node can't parse would end the host before any check of its version.
 * - `agent.js`: what each process needs at start, the core's part of it from its sources.
 * - `runtime.js`: what comes with the first server, socket or call, or after the app's own start.
 * - `later/*.js`: whatever else the sources load by `require('./…')` where it is needed, a file each, and what several of these share.
 *
 * - `yaml.js`: that library, for LANE_CONFIG.
 *
 * Each module is in one of them, and the others take it from there. The Nacos side stays packages of its own.
 */
import { mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join, relative, sep } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build, transform } from 'esbuild';
import { bundleLibrary } from '../../scripts/bundle-library.mjs';

const here = dirname(fileURLToPath(import.meta.url));
const dist = join(here, 'dist');
const source = (name) => join(here, 'src', `${name}.ts`);

const START = source('boot/start');
/** What the start requires by name, and has in `runtime.js`. */
const RUNTIME = ['boot/runtime', 'outbound/http/client-patches', 'outbound/http/create-connection'].map(source);

/** Options of all bundles. Names stay, for whoever reads a stack. */
const COMMON = {
  absWorkingDir: here,
  bundle: true,
  write: false,
  metafile: true,
  platform: 'node',
  target: 'node20.19',
  minifyWhitespace: true,
  external: ['@lane/core/rules', '@lane/nacos-registry', '@lane/kubernetes-registry', '@lane/storage', '@lane/traces', '#yaml'],
  logLevel: 'warning',
  legalComments: 'none',
};

const coreFromItsSources = {
  name: 'core-from-its-sources',
  setup: ({ onResolve }) =>
    onResolve({ filter: /^@lane\/core\/(model|agent)$/ }, ({ path }) => ({
      path: join(here, '../core/src', path.endsWith('/model') ? 'model.ts' : 'agent/index.ts'),
      sideEffects: false,
    })),
};

/** Of package.json no more than the version, which the agent tells. */
const versionAlone = {
  name: 'version-alone',
  setup: ({ onLoad }) =>
    onLoad({ filter: /[/\\]package\.json$/ }, ({ path }) => {
      const { version } = JSON.parse(readFileSync(path, 'utf8'));
      return { contents: JSON.stringify({ version }), loader: 'json' };
    }),
};

/** Files of the sources that are loaded where they are needed. */
const later = new Set();
/** Modules that another bundle takes from the one that they are in, by which that is. */
const shared = { 'agent.js': new Set(), 'runtime.js': new Set(RUNTIME) };

/**
 * Leaves to others what is theirs: what is required where it is needed, and modules `within` another bundle. They are named by a path of their own
 * until it is known under which name they are exported ({@link named}).
 */
const leftToOthers = (within) => ({
  name: 'left-to-others',
  setup: ({ onResolve, resolve }) =>
    onResolve({ filter: /^\.\.?\// }, async ({ kind, path, resolveDir, importer, pluginData }) => {
      if (kind === 'require-call' && !path.endsWith('.json')) {
        const file = join(resolveDir, path.replace(/\.js$/, '.ts'));
        if (!RUNTIME.includes(file)) later.add(file);
        return { path: `lane:${file}`, external: true };
      }
      if (kind !== 'import-statement' || pluginData === within) return undefined;
      const found = await resolve(path, { kind, resolveDir, importer, pluginData: within });
      const bundle = Object.keys(within).find((name) => within[name].has(found.path));
      if (bundle === undefined) return found;
      shared[bundle].add(found.path);
      return { path: `lane:${found.path}`, external: true };
    }),
});

/** In an order that doesn't depend on which was found first, so that a build is the same each time. */
const sorted = (files) => [...files].sort((a, b) => (a < b ? -1 : 1));

/** Under which name a module is there for other bundles. */
const exportOf = (file) => relative(join(here, '..'), file).replace(/\.ts$/, '').replaceAll(/\W/g, '_');

/** Of a file of the sources, within `later`. */
function nameOf(file) {
  return relative(join(here, 'src'), file).replace(/\.ts$/, '').replaceAll(sep, '-');
}

/** What has been left to others, by the name under which it is there; `up` leads to `dist`. */
function named(text, up) {
  // A module of Node's is had as it is: esbuild would copy it, each time that it is imported.
  const direct = text.replaceAll(/__toESM\(require\("(node:[^"]+)"\)(?:,1)?\)/g, '{__proto__:require("$1"),default:require("$1")}');
  // Behind `require(`, or behind what esbuild has put in its place.
  return direct.replaceAll(/"lane:([^"]+)"\)/g, (_, file) => {
    const bundle = Object.keys(shared).find((name) => shared[name].has(file));
    return bundle === undefined ? `"${up}later/${nameOf(file)}.js")` : `"${up}${bundle}").${exportOf(file)}`;
  });
}

/**
 * Collects what others take from a module of this bundle when they take it. esbuild makes a closure and an accessor for each name as the bundle starts,
 * a tenth of what a start allocates, and each use of the name asks the accessor.
 */
function exportedLate(text, file) {
  const names = new Map();
  const without = text.replaceAll(/var (\w+_exports\d*)=\{\};__export\(\1,(\{[^{}]*\})\);/g, (whole, module, body) => {
    if (!text.includes(`:()=>${module},`) && !text.includes(`:()=>${module}}`)) return whole;
    names.set(module, body.replaceAll(':()=>', ':'));
    return `var ${module};`;
  });
  return without.replaceAll(/:\(\)=>(\w+_exports\d*)(?=[,}])/g, (whole, module) => {
    if (!names.has(module)) throw new Error(`${file} exports ${module} in an unknown way`);
    return `:()=>${module}??=${names.get(module)}`;
  });
}

/** A bundle of one file, with what others take from it. */
async function bundleOne(name, exported, within) {
  const lines = sorted(shared[name]).map((file) => `export * as ${exportOf(file)} from ${JSON.stringify(file)};`);
  const { outputFiles, metafile } = await build({
    ...COMMON,
    stdin: { contents: `${exported}\n${lines.join('\n')}`, resolveDir: here, sourcefile: name },
    outfile: join(dist, name),
    format: 'cjs',
    plugins: [leftToOthers(within), coreFromItsSources, versionAlone],
  });
  const [{ inputs }] = Object.values(metafile.outputs);
  const modules = Object.entries(inputs).filter(([, { bytesInOutput }]) => bytesInOutput > 0);
  return { text: outputFiles[0].text, modules: new Set(modules.map(([path]) => join(here, path))) };
}

let agent;
let runtime;
let rest;
// What is shared keeps all its exports, and may bring other modules with it: until nothing changes.
const found = () => [later, ...Object.values(shared)].flatMap(sorted).join();
for (let before; before !== found();) {
  before = found();
  agent = await bundleOne('agent.js', `export { start } from ${JSON.stringify(START)};`, {});
  for (const file of agent.modules) shared['runtime.js'].delete(file);
  runtime = await bundleOne('runtime.js', '', { 'agent.js': agent.modules });
  const { outputFiles } = await build({
    ...COMMON,
    entryPoints: Object.fromEntries(sorted(later).map((file) => [nameOf(file), file])),
    outdir: join(dist, 'later'),
    format: 'esm',
    splitting: true,
    chunkNames: 'shared-[hash]',
    plugins: [leftToOthers({ 'agent.js': agent.modules, 'runtime.js': runtime.modules }), coreFromItsSources],
  });
  rest = outputFiles;
}

const { outputFiles: register } = await build({
  ...COMMON,
  entryPoints: ['src/register.ts'],
  outfile: join(dist, 'register.js'),
  format: 'cjs',
  plugins: [
    {
      name: 'the-start-beside-its-preload',
      setup: ({ onResolve }) => onResolve({ filter: /^\.\/boot\/start\.js$/ }, () => ({ path: './agent.js', external: true })),
    },
  ],
});

const written = {
  'register.js': register[0].text,
  'register.d.ts': '/** Loading this starts the agent; it exports nothing. */\nexport {};\n',
  'agent.js': named(exportedLate(agent.text, 'agent.js'), './'),
  'runtime.js': named(exportedLate(runtime.text, 'runtime.js'), './'),
};
for (const { path, text } of rest) {
  const { code } = await transform(text, { format: 'cjs', platform: 'node', target: 'node20.19', minifyWhitespace: true });
  written[relative(dist, path)] = named(code, '../');
}
for (const [file, text] of Object.entries(written)) {
  // As the sources are, being modules: a sloppy wrapper would pass the global object on where its caller gave no `this`, and V8 copies the `arguments`
  // of a sloppy function out of its parameters, one by one, wherever they are passed on.
  if (file.endsWith('.js') && !text.startsWith('"use strict"')) written[file] = `"use strict";${text}`;
  if (text.includes('lane:/')) throw new Error(`${file} names a file of the sources, which are not published`);
  for (const [, path] of text.matchAll(/\("(\.\.?\/[^"]+\.js)"\)/g)) {
    if (!(join(dirname(file), path) in written)) throw new Error(`${file} requires ${path}, which there is not`);
  }
}
mkdirSync(join(dist, 'later'), { recursive: true });
written['yaml.js'] = await bundleLibrary(build, 'yaml', ['parse'], here);
for (const [file, text] of Object.entries(written)) writeFileSync(join(dist, file), text);
// What an earlier build has left.
for (const file of readdirSync(dist, { recursive: true })) if (file.endsWith('js') && !(file in written)) rmSync(join(dist, file));
