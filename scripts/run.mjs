/**
 * Behind every `npm run …` of the repository: makes sure that dependencies are installed and packages are built, then does
 * what was asked. Needs Node and npm, nothing else, and no dependency of its own.
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
/** The pages of the console take a bundler and their libraries, which only those need who want to see them. */
const WITHOUT_PAGES = ['--filter', '!@lane/console-web'];

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
   * `--all`, or CI: everything. Otherwise what takes a checkout and Node alone, on this Node, with the Nacos that is built in.
   * `--changed[=commit]`: only tests that the changes since then could break.
   */
  async test() {
    await prepare({ tests: true });
    const isAll = passed.includes('--all') || !['', 'false', undefined].includes(process.env.CI);
    let given = passed.filter((argument) => argument !== '--all');
    const isNarrowed = given.some((argument) => argument.startsWith('--project'));
    let command = ['run'];
    const at = given.findIndex((argument) => /^--changed(?:=|$)/.test(argument));
    if (at !== -1) {
      const { changedTests } = await import('./changed-tests.mjs');
      const { all, changed, packages, files } = changedTests(root, given[at].split('=')[1]);
      given = given.toSpliced(at, 1);
      console.error(`${changed.length} files changed${packages.length === 0 ? '' : `, and with them how these behave: ${packages.join(', ')}`}`);
      if (!all && files.length === 0) {
        console.error('no test depends on what changed');
        return 0;
      }
      if (!all) command = ['related', '--run', '--passWithNoTests', ...files];
    }
    if (!isAll) process.env.TEST_SCOPE = 'quick';
    if (!isAll && !isNarrowed) given.push(...USUAL.map((name) => `--project=${name}`));
    const { watchLeftovers } = await import('./leftovers.mjs');
    const leftovers = watchLeftovers();
    const code = await run(process.execPath, [bin('vitest', 'vitest'), ...command, ...given]);
    const left = await leftovers.end();
    for (const line of left) console.error(`left behind: ${line}`);
    if (!isAll) {
      const projects = isNarrowed ? '' : `all but the projects ${USUAL.join(', ')}; `;
      console.error(`Left out: ${projects}Nacos servers in Java; versions of Node other than this one. All of it: npm test -- --all`);
    }
    return code === 0 && left.length > 0 ? 1 : code;
  },
  async matrix() {
    await prepare({ tests: true });
    const folder = join(root, 'test/matrix');
    const installed = stampOf('matrix');
    const wanted = readFileSync(join(folder, 'pnpm-lock.yaml'), 'utf8');
    // What has to be compiled is linked with the libraries of the system, instead of ones that would be downloaded.
    process.env.CKJS_LINKING ??= 'dynamic';
    if (!existsSync(join(folder, 'node_modules')) || installed.read() !== wanted) {
      await step('installing the libraries of the matrix', 'npx', [...PNPM, '--dir', folder, 'install', '--frozen-lockfile']);
      installed.write(wanted);
    }
    await step('checking its types', process.execPath, [bin('typescript', 'tsc'), '-p', folder]);
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
    const installed = stampOf('fuzz');
    const wanted = readFileSync(join(folder, 'pnpm-lock.yaml'), 'utf8');
    if (!existsSync(join(folder, 'node_modules')) || installed.read() !== wanted) {
      await step('installing Jazzer.js', 'npx', [...PNPM, '--dir', folder, 'install', '--frozen-lockfile']);
      installed.write(wanted);
    }
    return run(process.execPath, [join(folder, 'main.mjs'), ...passed]);
  },
  /**
   * Builds the documents as a site, into docs/site/.vitepress/dist; `--serve` shows it then. `--write` writes anew the pages of
   * the reference, which tests compare with the code.
   */
  async docs() {
    if (passed.includes('--write')) {
      await prepare({ tests: true });
      const pages = ['options-page', 'metrics-page', 'commands-page', 'lane-groups-page', 'formats-page', 'api-page'];
      const code = await run(process.execPath, [bin('vitest', 'vitest'), 'run', '--project=unit', ...pages, '--update']);
      if (code !== 0) return code;
    }
    const folder = join(root, 'docs/site');
    const installed = stampOf('docs');
    const wanted = readFileSync(join(folder, 'pnpm-lock.yaml'), 'utf8');
    if (!existsSync(join(folder, 'node_modules')) || installed.read() !== wanted) {
      await step('installing VitePress', 'npx', [...PNPM, '--dir', folder, 'install', '--frozen-lockfile']);
      installed.write(wanted);
    }
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
    // That one builds a Kubernetes, which takes longer than all the others together.
    const usual = names.filter((name) => name !== 'injector');
    const [name, ...rest] = passed;
    if (name === undefined || name.startsWith('--')) {
      if (!passed.some((option) => ['--help', '-h'].includes(option))) {
        return sequence(usual.map((each) => [each, join(folder, `${each}.mjs`), ['--brief', ...passed]]));
      }
      console.log(`Usage: npm run bench -- [name] [options]

Without a name: ${usual.join(', ')}, one after the other, each with fewer rounds than it has by itself.

Names: ${names.join(', ')}; \`npm run bench -- <name> --help\` tells the options of each.`);
      return 0;
    }
    if (!names.includes(name)) {
      console.error(`There is no benchmark "${name}"; there are ${names.join(', ')}.`);
      return 2;
    }
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
  /** `[folder]`: where the tarballs go, instead of .cache/packed. */
  async pack() {
    await prepare({ tests: false, pages: true });
    const folder = await packAll(passed[0]);
    const tarballs = Object.fromEntries(readdirSync(join(root, 'packages')).flatMap((name) => tarballOf(join(root, 'packages', name), folder)));
    const shown = (name) => quoted(join(folder, tarballs[name]));
    const all = process.platform === 'win32' ? Object.keys(tarballs).map(shown).join(' ') : `${quoted(folder)}/*.tgz`;
    console.log(`
${Object.keys(tarballs).length} packages are in ${relative(process.cwd(), folder) || folder}. No registry has them: install them from there, each with those it needs.

In an app, the agent:

    npm install ${withThoseOfOurs('@lane/agent', tarballs).map(shown).join(' ')}
    node --require @lane/agent app.js

The lane command with its demo, in an empty folder, too:

    npm install ${all}
    npx @lane/cli demo`);
    return 0;
  },
  /** Asks what has changed, and writes a changeset. */
  async change() {
    return attempt(async () => (await import('./release.mjs')).changesets(root, ['add', ...passed]));
  },
  async release() {
    return attempt(async () => {
      const tag = (await import('./release.mjs')).release(root);
      console.log(`\n${tag} is committed and tagged. Look at it with git show ${tag}; then publish it:\n\n    git push --follow-tags`);
    });
  },
  async 'check-packages'() {
    await prepare({ tests: true });
    // The tarballs themselves are checked: what is published, not what lies around.
    const packed = await packAll();
    const sboms = join(root, '.cache/sbom');
    rmSync(sboms, { recursive: true, force: true });
    mkdirSync(sboms, { recursive: true });
    await step('listing what is in them (CycloneDX)', 'npx', [
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
      ['packages of others', join(root, 'scripts/third-party.mjs'), ['--sbom', sboms]],
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

/** Packs what is published. Gives the folder of the tarballs: `.cache/packed`, emptied before, or the one that is named, where whoever called npm is. */
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

/** The name of a published package with that of its tarball, as npm and pnpm call it. */
function tarballOf(path, folder) {
  const { name, version, private: isPrivate } = JSON.parse(readFileSync(join(path, 'package.json'), 'utf8'));
  const file = `${name.slice(1).replace('/', '-')}-${version}.tgz`;
  return isPrivate === true || !existsSync(join(folder, file)) ? [] : [[name, file]];
}

/** A package and all of ours that are installed with it. */
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

/** Installs and builds what is not up to date. */
async function prepare({ tests, pages = tests }) {
  const installed = stampOf('installed');
  const wanted = `${readFileSync(join(root, 'pnpm-lock.yaml'), 'utf8').length} ${statSync(join(root, 'pnpm-lock.yaml')).mtimeMs} ${process.platform} ${process.arch}`;
  const isInstalled = (scope) => existsSync(join(root, 'node_modules')) && installed.read() === `${wanted} ${scope}`;
  // Each has what the ones before it have.
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
    [join(root, 'tsconfig.base.json'), join(root, 'packages/agent/build.mjs')],
  );
  if (built.read() !== sources || !existsSync(join(root, 'packages/agent/dist/register.js'))) {
    await step('building the packages', process.execPath, [bin('typescript', 'tsc'), '-b']);
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

/** Changes whenever one of the files does, or a source comes to the folders, or goes. */
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

/** 0, or 1 with what is wrong in a line. */
async function attempt(work) {
  try {
    await work();
    return 0;
  } catch (error) {
    console.error(error.message);
    return 1;
  }
}

/** The script behind a command of the root's development dependencies: run with this Node, and on every platform. */
function bin(dependency, name) {
  const folder = join(root, 'node_modules', dependency);
  const { bin: bins } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'));
  return join(folder, typeof bins === 'string' ? bins : bins[name]);
}

/** Runs a preparing command, quietly unless it fails. */
async function step(what, command, args) {
  process.stderr.write(`${what} … `);
  const started = Date.now();
  let output = '';
  // A step of a clone's first run may take a minute: it says that it goes on, and how far it is where the command tells that.
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

/** Runs checks one after the other, all of them, and fails if one did. */
async function sequence(checks) {
  let failed = 0;
  for (const [what, script, args] of checks) {
    process.stderr.write(`${what}\n`);
    if ((await run(process.execPath, [script, ...args])) !== 0) failed++;
  }
  return failed === 0 ? 0 : 1;
}

/** How a command is started: npx is a script of the shell's on Windows, which would take paths with spaces apart, so there Node runs what is behind it. */
function started(command, args) {
  if (process.platform !== 'win32' || command !== 'npx') return [command, args];
  const npm = process.env.npm_execpath ?? join(dirname(process.execPath), 'node_modules/npm/bin/npm-cli.js');
  return [process.execPath, [join(dirname(npm), 'npx-cli.js'), ...args]];
}

/** Runs a command to its end and gives its exit code. Signals to this process go on to it. */
function run(command, args, collect) {
  return new Promise((resolve) => {
    const child = spawn(...started(command, args), { cwd: root, stdio: collect === undefined ? 'inherit' : ['ignore', 'pipe', 'pipe'] });
    const forward = (signal) => child.kill(signal);
    // A terminal's Ctrl-C reaches the child by itself; this one has to live on until the child has cleaned up.
    const wait = () => {};
    process.on('SIGTERM', forward);
    process.on('SIGINT', wait);
    // npm hands a SIGTERM to the shell between, which dies of it and tells nobody.
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
      console.error(`${command} can't be started: ${error.message}`);
      end(1);
    });
    child.on('close', (code, signal) => end(code ?? (signal === 'SIGINT' ? 130 : 143)));
  });
}
