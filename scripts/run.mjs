/**
 * Implements every `npm run …` of the repository: installs dependencies and builds packages where they are out of date, then runs
 * the task. Needs only Node and npm, and has no dependency of its own.
 */
import { spawn } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
const PARENT = process.ppid;
const [task, ...passed] = process.argv.slice(2);

const [major, minor] = process.versions.node.split('.').map(Number);
if (major < 20 || (major === 20 && minor < 19)) {
  console.error(`Node ${process.version} is too old for this repository: install Node 20.19 or later, then try again.`);
  process.exit(1);
}

const PNPM = ['-y', 'pnpm@12'];
/** The demo needs neither the tests nor the other Node versions that they run on. */
const WITHOUT_TESTS = ['--filter', '!@lane/test', '--filter', '!@lane/test-nodes'];
/** Projects of vitest.config.mts that `npm test` runs; all the others too under `--all`. */
const USUAL = ['unit', 'docs', 'agent', 'contract', 'e2e'];
/** The console's pages need a bundler and their libraries. Only who wants to see the pages installs those. */
const WITHOUT_PAGES = ['--filter', '!@lane/console-web'];

/** Installs the libraries that the matrix and the message benchmark use. */
async function installMatrix() {
  // Links native code with the system's libraries instead of downloading others.
  process.env.CKJS_LINKING ??= 'dynamic';
  await installApart('matrix', 'installing the libraries of the matrix', join(root, 'test/matrix'));
}

const TASKS = {
  async demo() {
    await prepare({ tests: false, pages: passed.includes('--console') });
    return run(process.execPath, [join(root, 'packages/cli/dist/main.js'), 'demo', ...passed]);
  },
  async example() {
    await prepare({ tests: false });
    return run(process.execPath, [join(root, 'examples/run.mjs'), ...passed]);
  },
  /**
   * `--all`, or CI: everything. Otherwise the tests that need only a checkout and Node: on this Node, with the embedded Nacos, without slow files.
   * `--changed[=commit]`: only tests that changes since that commit can break.
   */
  async test() {
    await prepare({ tests: true });
    const isAll = passed.includes('--all') || !['', 'false', undefined].includes(process.env.CI);
    let given = passed.filter((argument) => argument !== '--all');
    const isNarrowed = given.some((argument) => argument.startsWith('--project'));
    // Named tests run completely, slow files included.
    const isAsked = isAll || given.some((argument) => !/^--(?:reporter|outputFile)/.test(argument));
    let command = ['run'];
    const at = given.findIndex((argument) => /^--changed(?:=|$)/.test(argument));
    if (at !== -1) {
      const { changedTests } = await import('./changed-tests.mjs');
      const { all, changed, packages, files } = changedTests(root, given[at].split('=')[1]);
      given = given.toSpliced(at, 1);
      console.error(`${changed.length} files changed${packages.length === 0 ? '' : `; affected packages: ${packages.join(', ')}`}`);
      if (!all && files.length === 0) {
        console.error('no test depends on what changed');
        return 0;
      }
      if (!all) command = ['related', '--run', '--passWithNoTests', ...files];
    }
    if (!isAll) process.env.TEST_SCOPE = 'quick';
    if (!isAsked) process.env.TEST_LEAVE_OUT = 'long';
    if (!isAll && !isNarrowed) given.push(...USUAL.map((name) => `--project=${name}`));
    const { watchLeftovers } = await import('./leftovers.mjs');
    const leftovers = watchLeftovers();
    const code = await run(process.execPath, [bin('vitest', 'vitest'), ...command, ...given]);
    const left = await leftovers.end();
    for (const line of left) console.error(`left behind: ${line}`);
    if (!isAll) {
      const projects = isNarrowed ? '' : `all but the projects ${USUAL.join(', ')}; `;
      const long = isAsked ? '' : 'slow files (LONG in vitest.config.mts); ';
      console.error(`Skipped: ${projects}${long}Nacos in Java; other versions of Node. To run everything: npm test -- --all`);
    }
    return code === 0 && left.length > 0 ? 1 : code;
  },
  async matrix() {
    await prepare({ tests: true });
    await installMatrix();
    const folder = join(root, 'test/matrix');
    await step('checking the types of the matrix', process.execPath, [bin('typescript', 'tsc'), '-p', folder]);
    if (passed.includes('--write')) process.env.MATRIX_WRITE = '1';
    const rest = passed.filter((argument) => argument !== '--write');
    return run(process.execPath, [bin('vitest', 'vitest'), 'run', '--config', join(folder, 'vitest.config.mts'), ...rest]);
  },
  async interop() {
    await prepare({ tests: true });
    return run(process.execPath, [bin('vitest', 'vitest'), 'run', '--config', join(root, 'test/interop/vitest.config.mts'), ...passed]);
  },
  async chaos() {
    await prepare({ tests: true });
    return run(process.execPath, [join(root, 'test/chaos/main.mjs'), ...passed]);
  },
  async fuzz() {
    await prepare({ tests: true });
    const folder = join(root, 'test/fuzz');
    await installApart('fuzz', 'installing Jazzer.js', folder);
    return run(process.execPath, [join(folder, 'main.mjs'), ...passed]);
  },
  /**
   * Builds the site from the documents, into docs/site/.vitepress/dist; `--serve` then shows it. `--write` regenerates the reference
   * pages, which tests compare with the code.
   */
  async docs() {
    if (passed.includes('--write')) {
      await prepare({ tests: true });
      const pages = ['options-page', 'metrics-page', 'commands-page', 'lane-groups-page', 'formats-page', 'api-page', 'figures-page'];
      const code = await run(process.execPath, [bin('vitest', 'vitest'), 'run', '--project=unit', '--project=docs', ...pages, '--update']);
      if (code !== 0) return code;
    }
    const folder = join(root, 'docs/site');
    await installApart('docs', 'installing VitePress', folder);
    return run(process.execPath, [join(folder, 'build.mjs'), ...passed.filter((argument) => argument !== '--write')]);
  },
  async screenshots() {
    await prepare({ tests: true });
    return run(process.execPath, [join(root, 'test/interop/console/screenshots.mjs'), ...passed]);
  },
  async bench() {
    await prepare({ tests: true });
    const folder = join(root, 'test/bench');
    const names = readdirSync(folder)
      .filter((name) => name.endsWith('.mjs'))
      .map((name) => name.slice(0, -4));
    // `injector` builds Kubernetes, which takes longer than all the others together. The other three need programs that few have installed.
    const usual = names.filter((name) => !['injector', 'entries', 'instructions', 'messages'].includes(name));
    const [name, ...rest] = passed;
    if (name === undefined || name.startsWith('--')) {
      if (!passed.some((option) => ['--help', '-h'].includes(option))) {
        return sequence(usual.map((each) => [each, join(folder, `${each}.mjs`), ['--brief', ...passed]]));
      }
      console.log(`Usage: npm run bench -- [name] [options]

Without a name, runs ${usual.join(', ')} in turn, each with fewer rounds than when it is named.

Names: ${names.join(', ')}. \`npm run bench -- <name> --help\` prints the options of one.`);
      return 0;
    }
    if (!names.includes(name)) {
      console.error(`Unknown benchmark "${name}". Benchmarks: ${names.join(', ')}.`);
      return 2;
    }
    if (['instructions', 'request', 'startup'].includes(name) && rest.some((option) => /^--(?:beside|workload)/.test(option)))
      await installApart('bench', 'installing the other agents and the workloads', join(folder, 'others'));
    if (name === 'messages' && !rest.some((option) => ['--help', '-h'].includes(option))) await installMatrix();
    return run(process.execPath, [join(folder, `${name}.mjs`), ...rest]);
  },
  async build() {
    await prepare({ tests: true });
    return 0;
  },
  async lint() {
    await prepare({ tests: true });
    return sequence([
      ['types of the tests', bin('typescript', 'tsc'), ['-p', 'test']],
      ['types of the pages', bin('typescript', 'tsc'), ['-p', 'packages/console/web']],
      ['oxlint', bin('oxlint', 'oxlint'), ['--type-aware', '--deny-warnings', ...passed]],
      ['oxfmt', bin('oxfmt', 'oxfmt'), ['--check', '.']],
      ['knip', bin('knip', 'knip'), ['--no-progress']],
    ]);
  },
  /** `[folder]`: where to put the tarballs, instead of .cache/packed. */
  async pack() {
    await prepare({ tests: false, pages: true });
    const folder = await packAll(passed[0]);
    const tarballs = Object.fromEntries(readdirSync(join(root, 'packages')).flatMap((name) => tarballOf(join(root, 'packages', name), folder)));
    const shown = (name) => quoted(join(folder, tarballs[name]));
    const all = process.platform === 'win32' ? Object.keys(tarballs).map(shown).join(' ') : `${quoted(folder)}/*.tgz`;
    console.log(`
Packed ${Object.keys(tarballs).length} packages into ${relative(process.cwd(), folder) || folder}. They are in no registry: install each from there, with its dependencies.

The agent, in an app:

    npm install ${withThoseOfOurs('@lane/agent', tarballs).map(shown).join(' ')}
    node --require @lane/agent app.js

The lane command and its demo, in any folder, even an empty one:

    npm install ${all}
    npx @lane/cli demo`);
    return 0;
  },
  /** Asks what changed, and writes a changeset. */
  async change() {
    return attempt(async () => (await import('./release.mjs')).changesets(root, ['add', ...passed]));
  },
  async release() {
    return attempt(async () => {
      const tag = (await import('./release.mjs')).release(root);
      console.log(`\nCommitted and tagged ${tag}. Review it with git show ${tag}, then publish it:\n\n    git push --follow-tags`);
    });
  },
  async 'check-packages'() {
    await prepare({ tests: true });
    // Checks the tarballs, which is what gets published, not the working tree.
    const packed = await packAll();
    const sboms = join(root, '.cache/sbom');
    rmSync(sboms, { recursive: true, force: true });
    mkdirSync(sboms, { recursive: true });
    await step('writing SBOMs (CycloneDX)', 'npx', [
      ...PNPM,
      '--recursive',
      '--filter',
      './packages/**',
      '--filter',
      '!@lane/testing',
      'sbom',
      '--sbom-format',
      'cyclonedx',
      '--sbom-spec-version',
      '1.6',
      '--prod',
      '--exclude-peers',
      '--split',
      '--out',
      join(sboms, '%s-%v.cdx.json'),
    ]);
    return sequence([
      ['third-party packages', join(root, 'scripts/third-party.mjs'), ['--sbom', sboms]],
      ...readdirSync(packed).flatMap((tarball) => [
        [`publint ${tarball}`, bin('publint', 'publint'), ['run', join(packed, tarball), '--strict']],
        [`attw ${tarball}`, bin('@arethetypeswrong/cli', 'attw'), [join(packed, tarball), '--profile', 'node16', '--quiet']],
      ]),
    ]);
  },
};

if (!Object.hasOwn(TASKS, task ?? '')) {
  console.error(`Usage: node scripts/run.mjs <${Object.keys(TASKS).join('|')}> [options]`);
  process.exit(2);
}
process.exitCode = await TASKS[task]();

/** Packs the published packages. Returns the folder of the tarballs: `.cache/packed`, emptied first, or `named`, relative to where npm was called. */
async function packAll(named) {
  const folder = named === undefined ? join(root, '.cache/packed') : resolve(process.env.INIT_CWD ?? process.cwd(), named);
  if (named === undefined) rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  await step('packing', 'npx', [
    ...PNPM,
    '--recursive',
    '--filter',
    './packages/*',
    '--filter',
    '!@lane/testing',
    'pack',
    '--pack-destination',
    folder,
  ]);
  return folder;
}

/** A published package's name and the file name that npm and pnpm give its tarball. */
function tarballOf(path, folder) {
  const { name, version, private: isPrivate } = JSON.parse(readFileSync(join(path, 'package.json'), 'utf8'));
  const file = `${name.slice(1).replace('/', '-')}-${version}.tgz`;
  return isPrivate === true || !existsSync(join(folder, file)) ? [] : [[name, file]];
}

/** A package and those of our packages that it depends on, directly or not. */
function withThoseOfOurs(name, tarballs) {
  const found = new Set([name]);
  for (const each of found) {
    const { dependencies = {} } = JSON.parse(readFileSync(join(root, 'packages', each.split('/')[1], 'package.json'), 'utf8'));
    for (const dependency of Object.keys(dependencies)) if (dependency in tarballs) found.add(dependency);
  }
  return [...found];
}

function quoted(path) {
  return /^[\w./\\:@-]+$/.test(path) ? path : JSON.stringify(path);
}

/** Installs and builds what is out of date. */
async function prepare({ tests, pages = tests }) {
  const installed = stampOf('installed');
  const wanted = `${readFileSync(join(root, 'pnpm-lock.yaml'), 'utf8').length} ${statSync(join(root, 'pnpm-lock.yaml')).mtimeMs} ${process.platform} ${process.arch}`;
  const isInstalled = (scope) => existsSync(join(root, 'node_modules')) && installed.read() === `${wanted} ${scope}`;
  // Each scope includes those before it.
  const scopes = ['demo', 'demo with pages', 'all'];
  const scope = tests ? 'all' : pages ? 'demo with pages' : 'demo';
  if (!scopes.slice(scopes.indexOf(scope)).some(isInstalled)) {
    const left = [...(tests ? [] : WITHOUT_TESTS), ...(pages ? [] : WITHOUT_PAGES)];
    await step('installing dependencies', 'npx', [...PNPM, 'install', '--frozen-lockfile', ...left]);
    installed.write(`${wanted} ${scope}`);
  }

  const built = stampOf('built');
  const sources = newestOf(
    readdirSync(join(root, 'packages')).map((name) => join(root, 'packages', name, 'src')),
    ['tsconfig.base.json', 'packages/core/build.mjs', 'packages/agent/build.mjs', 'scripts/bundle-library.mjs'].map((file) => join(root, file)),
  );
  if (built.read() !== sources || !existsSync(join(root, 'packages/agent/dist/register.js'))) {
    await step('building the packages', process.execPath, [bin('typescript', 'tsc'), '-b']);
    await step('bundling libraries', process.execPath, [join(root, 'packages/core/build.mjs')]);
    await step('bundling the agent', process.execPath, [join(root, 'packages/agent/build.mjs')]);
    built.write(sources);
  }
  if (!pages) return;
  const web = join(root, 'packages/console/web');
  const builtPages = stampOf('built-pages');
  const pageSources = newestOf(
    [join(web, 'src'), join(web, 'public')],
    [join(web, 'index.html'), join(web, 'vite.config.ts'), join(web, 'package.json')],
  );
  if (builtPages.read() !== pageSources || !existsSync(join(root, 'packages/console/dist/web/index.html'))) {
    const vite = join(web, 'node_modules/vite/bin/vite.js');
    await step('building the pages of the console', process.execPath, [vite, 'build', web, '--config', join(web, 'vite.config.ts')]);
    builtPages.write(pageSources);
  }
}

function stampOf(name) {
  const path = join(root, '.cache', `${name}.stamp`);
  return {
    read: () => (existsSync(path) ? readFileSync(path, 'utf8') : undefined),
    write(content) {
      mkdirSync(dirname(path), { recursive: true });
      writeFileSync(path, content);
    },
  };
}

/** A stamp that changes when a file changes, or when the folders gain or lose a source. */
function newestOf(folders, files) {
  let count = 0;
  let newest = Math.max(...files.map((file) => statSync(file).mtimeMs));
  const visit = (folder) => {
    for (const entry of readdirSync(folder, { withFileTypes: true })) {
      if (entry.isDirectory()) visit(join(folder, entry.name));
      else if (!entry.name.endsWith('.test.ts')) {
        count++;
        newest = Math.max(newest, statSync(join(folder, entry.name)).mtimeMs);
      }
    }
  };
  for (const folder of folders) visit(folder);
  return `${count} ${newest}`;
}

/** Exit code 0, or 1 after printing the error on one line. */
async function attempt(work) {
  try {
    await work();
    return 0;
  } catch (error) {
    console.error(error.message);
    return 1;
  }
}

/** The script behind a command of the root's development dependencies, to run with this Node on any platform. */
function bin(dependency, name) {
  const folder = join(root, 'node_modules', dependency);
  const { bin: bins } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'));
  return join(folder, typeof bins === 'string' ? bins : bins[name]);
}

/** Runs a preparatory command, silently unless it fails. */
async function step(what, command, args) {
  process.stderr.write(`${what} … `);
  const started = Date.now();
  let output = '';
  // A step of a clone's first run can take a minute: print that it is still running, and its progress where the command reports it.
  const told = setInterval(() => {
    const progress = output.match(/Progress: [^\n]*/g)?.at(-1);
    process.stderr.write(
      `${Math.round((Date.now() - started) / 1000)} s${progress === undefined ? '' : ` (${progress.slice('Progress: '.length).trim()})`} … `,
    );
  }, 5_000);
  const code = await run(command, args, (chunk) => (output += chunk));
  clearInterval(told);
  if (code !== 0) {
    process.stderr.write(`failed\n${output}\n`);
    process.exit(code);
  }
  process.stderr.write(`${((Date.now() - started) / 1000).toFixed(1)} s\n`);
}

/** Installs a separate workspace that not everybody needs. `name` is that of the stamp that records it. */
async function installApart(name, what, folder) {
  const installed = stampOf(name);
  const wanted = readFileSync(join(folder, 'pnpm-lock.yaml'), 'utf8');
  if (existsSync(join(folder, 'node_modules')) && installed.read() === wanted) return;
  await step(what, 'npx', [...PNPM, '--dir', folder, 'install', '--frozen-lockfile']);
  installed.write(wanted);
}

/** Runs all checks in turn; fails if any of them failed. */
async function sequence(checks) {
  let failed = 0;
  for (const [what, script, args] of checks) {
    process.stderr.write(`${what}\n`);
    if ((await run(process.execPath, [script, ...args])) !== 0) failed++;
  }
  return failed === 0 ? 0 : 1;
}

/** How to start a command. On Windows npx is a shell script, which splits paths at spaces, so Node runs the JavaScript behind it. */
function started(command, args) {
  if (process.platform !== 'win32' || command !== 'npx') return [command, args];
  const npm = process.env.npm_execpath ?? join(dirname(process.execPath), 'node_modules/npm/bin/npm-cli.js');
  return [process.execPath, [join(dirname(npm), 'npx-cli.js'), ...args]];
}

/** Runs a command to its end and returns its exit code. Forwards signals to it. */
function run(command, args, collect) {
  return new Promise((resolve) => {
    const child = spawn(...started(command, args), { cwd: root, stdio: collect === undefined ? 'inherit' : ['ignore', 'pipe', 'pipe'] });
    const forward = (signal) => child.kill(signal);
    // A terminal's Ctrl-C reaches the child directly; this process must outlive the child's cleanup.
    const wait = () => {};
    process.on('SIGTERM', forward);
    process.on('SIGINT', wait);
    // npm sends SIGTERM to the shell in between, which dies without forwarding it.
    const orphaned = setInterval(() => process.ppid !== PARENT && child.kill('SIGTERM'), 500);
    if (collect !== undefined) {
      child.stdout.on('data', collect);
      child.stderr.on('data', collect);
    }
    const end = (code) => {
      process.off('SIGTERM', forward);
      process.off('SIGINT', wait);
      clearInterval(orphaned);
      resolve(code);
    };
    child.on('error', (error) => {
      console.error(`cannot start ${command}: ${error.message}`);
      end(1);
    });
    child.on('close', (code, signal) => end(code ?? (signal === 'SIGINT' ? 130 : 143)));
  });
}
