/**
 * Lists the third-party packages that come with each published package: `node scripts/third-party.mjs`, part of `npm run check:packages`. It fails
 * if a package brings more of them than its limit, depends on one without a reason below, brings one with a licence that is not listed below or with an install
 * script, or takes one from outside the registry. It follows what npm installs, which is dependencies, optional dependencies, and peers that are not
 * optional, and what is bundled. `--sbom FOLDER` adds the latter to the SBOMs in a folder, and fails if these lack anything else.
 */
import { existsSync, readdirSync, readFileSync, realpathSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

/** How many third-party packages each of ours may bring. Raising a limit affects everybody who installs the package. */
const LIMITS = {
  '@lane/agent': 3,
  '@lane/cli': 80,
  '@lane/console': 51,
  '@lane/core': 2,
  '@lane/embedded-nacos': 2,
  '@lane/express-plugin': 2,
  '@lane/gateway': 3,
  '@lane/kubernetes': 29,
  '@lane/kubernetes-registry': 2,
  '@lane/nacos-registry': 2,
  '@lane/storage': 2,
  '@lane/traces': 33,
};

/** Why we depend on each package. */
const REASONS = {
  '@opentelemetry/api': 'LANE_TRACES: the API that apps and their libraries share',
  '@opentelemetry/core': 'LANE_TRACES: propagators',
  '@opentelemetry/exporter-trace-otlp-http': 'LANE_TRACES=otlp',
  '@opentelemetry/exporter-zipkin': 'LANE_TRACES=zipkin',
  '@opentelemetry/instrumentation': 'LANE_TRACES: registers instrumentations',
  '@opentelemetry/instrumentation-http': 'LANE_TRACES: spans of http and https',
  '@opentelemetry/instrumentation-undici': 'LANE_TRACES: spans of fetch and undici',
  '@opentelemetry/resources': 'LANE_TRACES: what the service is called',
  '@opentelemetry/sdk-trace-node': 'LANE_TRACES: the tracer provider',
  '@peculiar/x509': 'the injector makes certificates: nothing that is ours to encode',
  '@sinclair/typebox': 'one schema for the check of a request, its type and its description',
  commander: 'options, help and errors of the command',
  cookie: 'the cookie of a session',
  diff: 'what a change of lane groups changes',
  'fast-json-patch': 'the injector answers with a JSON Patch',
  fastify: 'the API of the console: routes, checked by schema',
  'ipaddr.js': 'networks in LANE_TRUST and entry rules, loaded where there are any',
  'prom-client': 'figures of the injector',
  re2js: 'regular expressions of entry rules in linear time, loaded where there are any',
  'reflect-metadata': '@peculiar/x509 asks its user for it',
  yaml: 'LANE_CONFIG, manifests and exports in YAML, loaded where there are any',
};

/** Bundled into one of our packages, so its dependencies ship unseen. */
const BUILT_IN = ['packages/console/web'];

/** Dev dependencies that a file of ours contains (`bundle-library.mjs`): npm does not know of them, so they reach users with our releases alone. */
const BUNDLED = { '@lane/agent': ['yaml'], '@lane/core': ['re2js'] };

/** Licences that ask only for attribution. */
const LICENCES = ['0BSD', 'Apache-2.0', 'BSD-2-Clause', 'BSD-3-Clause', 'BlueOak-1.0.0', 'ISC', 'MIT', 'Python-2.0', 'Unlicense'];

/** Scripts of a package that npm runs when it installs the package. */
const RUN_ON_INSTALL = ['preinstall', 'install', 'postinstall'];

/**
 * Examines the packages in `packages/` of `root`. Returns them with the third-party packages that each brings, and the problems found.
 * @returns {{packages: Array<{name: string, limit: number | undefined, thirdParty: Array<{name: string, version: string, licence: string, why: string, isBundled: boolean}>}>, problems: string[]}}
 */
export function survey(root, { limits = LIMITS, reasons = REASONS, licences = LICENCES, builtIn = BUILT_IN, bundled = BUNDLED } = {}) {
  const problems = new Set();
  const used = new Set();
  const packages = [];
  for (const folder of [...readdirSync(join(root, 'packages')).map((name) => `packages/${name}`), ...builtIn].sort()) {
    const path = join(root, folder);
    if (!existsSync(join(path, 'package.json'))) continue;
    const own = manifestOf(path);
    const isBuiltIn = builtIn.includes(folder);
    if (own.private === true && !isBuiltIn) continue;
    const found = new Map();
    visit(path, own, []);
    const thirdParty = [...found.values()].sort((a, b) => (a.name < b.name ? -1 : 1));
    const limit = limits[own.name];
    packages.push({ name: own.name, limit, thirdParty });
    if (isBuiltIn) {
      // No limit: npm installs none of it.
    } else if (limit === undefined) problems.add(`${own.name} has no limit in scripts/third-party.mjs`);
    else if (thirdParty.length > limit) problems.add(`${own.name} brings ${thirdParty.length} third-party packages, more than its limit of ${limit}`);
    else if (thirdParty.length < limit)
      problems.add(`${own.name} brings ${thirdParty.length} third-party packages: lower its limit of ${limit} in scripts/third-party.mjs`);

    function visit(from, manifest, by) {
      for (const [name, isOptional, source, isBundled = false] of [...asked(manifest), ...bundledIn(manifest)]) {
        if (!isOfRegistry(source, name)) problems.add(`${manifest.name} depends on ${name} from ${source}: take it from the registry`);
        const at = resolve(from, name);
        if (at === undefined) {
          // Optional ones may be for other platforms.
          if (!isOptional) problems.add(`${manifest.name} depends on ${name}, which is not installed`);
          continue;
        }
        const installed = manifestOf(at);
        const isOurs = at.startsWith(join(root, 'packages'));
        if (!isOurs && isOurName(manifest.name) && !isBuiltIn) {
          used.add(name);
          if (reasons[name] === undefined) problems.add(`${manifest.name} depends on ${name}: give the reason in scripts/third-party.mjs`);
        }
        const id = `${installed.name}@${installed.version}`;
        if (found.has(id) || (isOurs && by.includes(installed.name))) continue;
        const trail = [...by, installed.name];
        if (!isOurs) {
          const licence = licenceOf(installed);
          found.set(id, { name: installed.name, version: installed.version, licence, why: whyOf(reasons, trail, isBuiltIn), isBundled });
          if (!allows(licence, licences)) problems.add(`${id} (by ${trail.join(' > ')}) has the licence ${licence}; allowed: ${licences.join(', ')}`);
          runsOnInstall(at, installed).forEach((what) => problems.add(`${id} (by ${trail.join(' > ')}) runs on installation: ${what}`));
        }
        visit(at, installed, trail);
      }
    }
    function bundledIn({ name: ours, devDependencies = {} }) {
      return (bundled[ours] ?? []).flatMap((name) => {
        if (devDependencies[name] !== undefined) return [[name, false, devDependencies[name], true]];
        problems.add(`${ours} bundles ${name}, which is not among its devDependencies`);
        return [];
      });
    }
    runsOnInstall(path, own).forEach((what) => problems.add(`${own.name} runs on installation: ${what}`));
  }
  for (const [name, reason] of Object.entries(reasons))
    if (reason !== undefined && !used.has(name))
      problems.add(`none of our packages depends on ${name} any more: remove it from scripts/third-party.mjs`);
  return { packages, problems: [...problems] };
}

function isOurName(name) {
  return name.startsWith('@lane/');
}

function manifestOf(folder) {
  return JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'));
}

/** What npm installs with a package: the name, whether it is optional, and the source. */
function asked({ dependencies = {}, optionalDependencies = {}, peerDependencies = {}, peerDependenciesMeta = {} }) {
  return [
    ...Object.entries(dependencies).map(([name, source]) => [name, name in optionalDependencies, source]),
    ...Object.entries(optionalDependencies).map(([name, source]) => [name, true, source]),
    ...Object.entries(peerDependencies)
      .filter(([name]) => peerDependenciesMeta[name]?.optional !== true)
      .map(([name, source]) => [name, false, source]),
  ];
}

/**
 * True for versions, ranges, tags, and our own workspace. npm also takes git (and runs `prepare`), URLs, files and aliases, but for those neither a
 * lockfile nor the registry shows what gets installed.
 */
function isOfRegistry(source, name) {
  return isOurName(name) ? !source.includes(':') || /^(?:workspace|catalog):/.test(source) : /^(?!.*[/:])/.test(source) || source === 'catalog:';
}

function resolve(from, name) {
  for (let folder = from; ; folder = dirname(folder)) {
    const path = join(folder, 'node_modules', name);
    if (existsSync(join(path, 'package.json'))) return realpathSync(path);
    if (dirname(folder) === folder) return undefined;
  }
}

function licenceOf({ license, licenses }) {
  if (typeof license === 'string') return license;
  return license?.type ?? (licenses ?? []).map(({ type }) => type).join(' OR ') ?? 'none';
}

/** Whether these licences satisfy an SPDX expression. OR binds weaker than AND (SPDX 2.3, annex D.4.5). False if it cannot be parsed. */
function allows(expression, licences) {
  const tokens = expression.match(/[()]|[^\s()]+/g) ?? [];
  const either = () => {
    let is = both();
    while (tokens[0] === 'OR') {
      tokens.shift();
      is = both() || is;
    }
    return is;
  };
  const both = () => {
    let is = one();
    while (tokens[0] === 'AND') {
      tokens.shift();
      is = one() && is;
    }
    return is;
  };
  const one = () => {
    const token = tokens.shift();
    if (token !== '(') return licences.includes(token);
    const is = either();
    return tokens.shift() === ')' && is;
  };
  return either() && tokens.length === 0;
}

function whyOf(reasons, trail, isBuiltIn) {
  const first = trail.findIndex((name) => !isOurName(name));
  const direct = trail[first];
  return first === trail.length - 1
    ? (reasons[direct] ?? (isBuiltIn ? 'the pages' : 'no reason is given'))
    : `by ${trail.slice(first, -1).reverse().join(', by ')}`;
}

/** What npm would run on installation. For a binding.gyp it runs node-gyp, whatever the scripts are. */
function runsOnInstall(folder, { scripts = {} }) {
  const found = RUN_ON_INSTALL.filter((name) => typeof scripts[name] === 'string').map((name) => `${name}: ${scripts[name]}`);
  return existsSync(join(folder, 'binding.gyp')) ? [...found, 'node-gyp'] : found;
}

/** Adds what is bundled to a folder of SBOMs (CycloneDX), which another tool made from what npm installs. */
export function addBundled(sboms, packages) {
  for (const file of readdirSync(sboms)) {
    const path = join(sboms, file);
    const sbom = JSON.parse(readFileSync(path, 'utf8'));
    const ours = packages.find(({ name }) => name === nameOf(sbom.metadata.component));
    for (const { name, version, licence } of ours?.thirdParty.filter(({ isBundled }) => isBundled) ?? []) {
      const purl = `pkg:npm/${name.replace('@', '%40')}@${version}`;
      if (sbom.components?.some((component) => component.purl === purl)) continue;
      (sbom.components ??= []).push({ type: 'library', 'bom-ref': purl, name, version, purl, licenses: [{ expression: licence }] });
      (sbom.dependencies ??= []).push({ ref: purl, dependsOn: [] });
      const root = sbom.dependencies.find(({ ref }) => ref === sbom.metadata.component['bom-ref']);
      (root.dependsOn ??= []).push(purl);
    }
    writeFileSync(path, `${JSON.stringify(sbom, undefined, 2)}\n`);
  }
}

/** What of `packages` is missing from a folder of SBOMs (CycloneDX), which another tool made. */
export function missingIn(sboms, packages) {
  const listed = new Map(
    readdirSync(sboms).map((file) => {
      const { metadata, components = [] } = JSON.parse(readFileSync(join(sboms, file), 'utf8'));
      return [nameOf(metadata.component), new Set(components.map((component) => `${nameOf(component)}@${component.version}`))];
    }),
  );
  return packages.flatMap(({ name, thirdParty }) =>
    thirdParty
      .map((one) => `${one.name}@${one.version}`)
      .filter((id) => listed.get(name)?.has(id) !== true)
      .map((id) => `the SBOM of ${name} does not list ${id}`),
  );
}

function nameOf({ group, name }) {
  return group === undefined ? name : `${group}/${name}`;
}

/* Run as a command, not imported. */
if (process.argv[1] !== undefined && import.meta.url === pathToFileURL(realpathSync(process.argv[1])).href) {
  const { packages, problems } = survey(join(dirname(fileURLToPath(import.meta.url)), '..'));
  for (const { name, limit, thirdParty } of packages) {
    console.log(`${name}: ${thirdParty.length} third-party packages, ${limit === undefined ? 'built into the pages' : `limit ${limit}`}`);
    for (const one of thirdParty) console.log(`  ${one.name} ${one.version} (${one.licence}${one.isBundled ? ', bundled' : ''}): ${one.why}`);
  }
  const at = process.argv.indexOf('--sbom');
  if (at !== -1) {
    addBundled(process.argv[at + 1], packages);
    problems.push(...missingIn(process.argv[at + 1], packages));
  }
  for (const problem of problems) console.error(`third party: ${problem}`);
  process.exitCode = problems.length === 0 ? 0 : 1;
}
