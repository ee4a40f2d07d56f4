/** Installs what examples need, once each: npm packages beside the example, everything else under .cache. */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
const examples = join(root, 'examples');

/** Installs the npm dependencies of an example, from the examples' own lockfile. */
export function npm(example) {
  once(`npm-${example}`, readFileSync(join(examples, 'pnpm-lock.yaml'), 'utf8'), [join(examples, example, 'node_modules')], () =>
    download(
      'npx',
      ['-y', 'pnpm@12', '--dir', examples, '--filter', `./${example}`, 'install', '--frozen-lockfile'],
      'installing dependencies from npm',
    ),
  );
}

/** Runs the build script of an example unless that was done for the same sources. `sources` are its folders and files. */
export function build(example, sources, makes) {
  const folder = join(examples, example);
  const content = sources.map((source) =>
    statSync(join(folder, source)).isDirectory() ? contentOf(join(folder, source)) : readFileSync(join(folder, source), 'utf8'),
  );
  once(`${example}-build`, content.join('\n'), [join(folder, makes)], () =>
    run('npm', ['run', '--silent', 'build'], 'compiling', { cwd: folder, env: { ...process.env, NEXT_TELEMETRY_DISABLED: '1' } }),
  );
}

/** Makes a virtual environment with the requirements.txt of an example; returns its folder of programs. */
export function python(example) {
  const folder = join(root, '.cache/examples', example);
  const requirements = join(examples, example, 'requirements.txt');
  const programs = join(folder, process.platform === 'win32' ? 'Scripts' : 'bin');
  once(example, readFileSync(requirements, 'utf8'), [programs], () => {
    rmSync(folder, { recursive: true, force: true });
    run('python3', ['-m', 'venv', folder], 'creating a virtual environment (Debian: python3-venv)');
    download(
      join(programs, 'python'),
      ['-m', 'pip', 'install', '--quiet', '--disable-pip-version-check', '-r', requirements],
      'installing packages from PyPI',
    );
  });
  return programs;
}

/** Builds a Maven project; returns the folder with its jars. */
export function maven(example, project) {
  const source = join(examples, example, project);
  const folder = join(root, '.cache/examples', example, project);
  once(`${example}-${project}`, contentOf(source), [folder], () =>
    download(
      'mvn',
      ['-B', '-q', '--no-transfer-progress', '-f', join(source, 'pom.xml'), `-Dlane.build=${folder}`, 'package'],
      'building the Java service with Maven',
    ),
  );
  return folder;
}

/** Builds a Go program; returns its path. */
export function go(example) {
  const source = join(examples, example);
  const program = join(root, '.cache/examples', example, process.platform === 'win32' ? 'b.exe' : 'b');
  once(example, contentOf(source, '.go'), [program], () =>
    download('go', ['build', '-o', program, '.'], 'building the Go service', {
      cwd: source,
      env: { ...process.env, CGO_ENABLED: '0', GOFLAGS: '-mod=readonly' },
    }),
  );
  return program;
}

/** Runs `action` unless it ran for the same key and the files it made still exist. */
function once(name, key, makes, action) {
  const stamp = join(root, '.cache/examples', `${name}.stamp`);
  if (makes.every((file) => existsSync(file)) && existsSync(stamp) && readFileSync(stamp, 'utf8') === key) return;
  action();
  mkdirSync(dirname(stamp), { recursive: true });
  writeFileSync(stamp, key);
}

/** The same, up to three times: a registry may fail for a moment. */
function download(command, args, what, options) {
  for (let tries = 1; tries < 3; tries++) {
    try {
      return run(command, args, what, options);
    } catch (error) {
      if (error.cause !== undefined) throw error;
    }
  }
  return run(command, args, what, options);
}

/** Runs a program; the error has a cause if it cannot be run at all. */
function run(command, args, what, options = {}) {
  process.stdout.write(`${what} … `);
  const started = Date.now();
  const { status, error, stdout, stderr } = spawnSync(command, args, { encoding: 'utf8', maxBuffer: 64 * 1024 * 1024, ...options });
  if (status !== 0) {
    process.stdout.write('failed\n');
    throw new Error(`${command} ${error === undefined ? `failed:\n${stdout}${stderr}` : `cannot be run: ${error.message}`}`, { cause: error });
  }
  process.stdout.write(`${((Date.now() - started) / 1000).toFixed(1)} s\n`);
}

/** The whole content of a folder, to detect changes. */
function contentOf(folder, extension = '') {
  return readdirSync(folder, { recursive: true })
    .filter((file) => file.endsWith(extension) || file.endsWith('go.sum'))
    .map((file) => join(folder, file))
    .filter((file) => statSync(file).isFile())
    .map((file) => `${relative(folder, file)}\n${readFileSync(file, 'utf8')}`)
    .join('\n');
}
