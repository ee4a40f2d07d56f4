/** Checks whether the agent is in the process, or would be in one started with this environment. */
import { basename } from 'node:path';
import { isPackageManager } from '@lane/core/agent';
import type { Findings } from './finding.js';
import { preloadsOf, resolvePreload, wordsOf, type Preload } from './preloads.js';
import { childrenOf } from './process-of.js';
import type { Examined } from './subject.js';

const { version: ownVersion } = require('../../package.json') as { version: string };

/** Oldest Node that the agent runs on. */
const OLDEST_NODE = [20, 19] as const;

const REMEDY = 'start the app with `lane run -- node app.js`, or with NODE_OPTIONS="--require @lane/agent"';

/** Checks the version of Node. */
export function checkNode({ nodeVersion, status, pid, argv }: Examined, findings: Findings): void {
  const version = status?.node ?? nodeVersion;
  if (version === undefined) {
    if (pid !== undefined) {
      const program = basename(argv[0] ?? '');
      const meant = childrenOf(pid).find((child) => basename(child.argv[0] ?? '').startsWith('node'));
      findings.error(
        'node',
        `process ${pid} is ${program === '' ? 'not Node' : program}, but the agent runs only in Node`,
        meant === undefined ? 'give the process id of the app itself' : `its child ${meant.pid} runs Node: --pid ${meant.pid}`,
      );
    }
    return;
  }
  const [, major = '0', minor = '0'] = /^v(\d+)\.(\d+)/.exec(version) ?? [];
  const isOld = Number(major) < OLDEST_NODE[0] || (Number(major) === OLDEST_NODE[0] && Number(minor) < OLDEST_NODE[1]);
  if (isOld) findings.error('node', `Node ${version} is too old: the app runs, but without lanes`, `use Node ${OLDEST_NODE.join('.')} or later`);
  else findings.ok('node', `Node ${version}`);
}

/** Checks that the agent is loaded. */
export function checkAgent(examined: Examined, findings: Findings): void {
  const { status, environment, options, argv, pid } = examined;
  if (status !== undefined) {
    findings.ok('agent', `agent ${status.version} runs in process ${status.pid} and answers`);
    if (status.version !== ownVersion) {
      findings.note('agent', `this command is version ${ownVersion}, and knows the agent's options of that version only`);
    }
    return;
  }
  if (pid !== undefined && isPackageManager(argv[1])) {
    const app = childrenOf(pid)[0];
    findings.error(
      'agent',
      `process ${pid} is ${basename(argv[1] ?? '')}, where the agent stays inactive`,
      `give the process id of the app itself${app === undefined ? '' : `: --pid ${app.pid}, or a descendant of it`}`,
    );
    return;
  }
  if (!wordsOf(environment['NODE_OPTIONS'] ?? '').isClosed) {
    findings.error('agent', 'NODE_OPTIONS has an unclosed quote: Node does not start', 'put " around each path that has spaces');
    return;
  }
  const preloads = preloadsOf(examined).map((preload) => ({ preload, resolved: resolvePreload(examined, preload) }));
  const agents = preloads.filter(({ resolved }) => resolved.isAgent);
  for (const { preload, resolved } of preloads) {
    if (resolved.file === undefined && (resolved.isAgent || agents.length === 0) && /agent|register/.test(preload.module + preload.rest.join(' '))) {
      missing(examined, preload, findings);
      return;
    }
  }
  const [found] = agents;
  if (found === undefined) {
    findings.error('agent', 'the agent is not loaded: neither NODE_OPTIONS nor the command line has it', REMEDY);
    return;
  }
  if (options.disable.includes('all')) {
    findings.error('agent', 'LANE_DISABLE=all turns the agent off', 'unset LANE_DISABLE');
    return;
  }
  const { preload, resolved } = found;
  findings.ok(
    'agent',
    `the agent${resolved.version === undefined ? '' : ` ${resolved.version}`} is loaded by ${preload.option} of ${preload.from}${agents.length > 1 ? '; a second preload of it has no effect' : ''}`,
  );
}

function missing({ cwd, root }: Examined, { module, option, from, rest }: Preload, findings: Findings): void {
  const whole = [module, ...rest].join(' ');
  const isSplit = rest.length > 0 && resolvePreload({ root, cwd } as Examined, { module: whole }).file !== undefined;
  if (isSplit) {
    findings.error(
      'agent',
      `${option} of ${from} has a path with spaces, which Node splits: ${whole}`,
      from === 'NODE_OPTIONS' ? `quote it: NODE_OPTIONS='${option} "${whole}"'` : `quote it: ${option} "${whole}"`,
    );
  } else if (module.startsWith('@lane/agent')) {
    findings.error(
      'agent',
      `${option} of ${from} names ${module}, which is not installed in ${cwd} or above it: Node exits with MODULE_NOT_FOUND`,
      'run npm install @lane/agent there, or preload it by the path of its file, as `lane run` does',
    );
  } else {
    findings.error(
      'agent',
      `${option} of ${from} names ${module}, which does not exist: Node exits with MODULE_NOT_FOUND`,
      `correct the path, or ${REMEDY}`,
    );
  }
}

/** Checks the problems that the agent itself reports. */
export function checkInstrumentations({ status, options }: Examined, findings: Findings): void {
  if (status === undefined) return;
  const names = status.instrumentations.map(({ name }) => name);
  for (const name of options.disable.filter((one) => one !== 'all' && !names.includes(one))) {
    findings.warning('agent', `LANE_DISABLE names ${name}, which is not an instrumentation`, `must be one of ${names.join(', ')}, all`);
  }
  for (const { name, failures } of status.instrumentations.filter(({ state }) => state === 'failed')) {
    findings.error(
      'agent',
      `the instrumentation ${name} is off after ${failures} failures`,
      'please report the first failure, which is in the log of the app',
    );
  }
  if (!status.ready) findings.warning('agent', 'the app is being drained: it takes no new requests', 'restart it, unless this is intended');
  if (status.tags.malformed > 0) {
    findings.warning(
      'agent',
      `${status.tags.malformed} requests carried an invalid tag and counted as base`,
      'find out who sends them: a tag is 1 to 64 of A-Z a-z 0-9 . _ -',
    );
  }
  if (status.tags.disagreeing > 0) {
    findings.warning(
      'agent',
      `${status.tags.disagreeing} requests carried two different tags, and that of the first format counted`,
      'find out who writes both, or list fewer formats in LANE_FORMATS_IN',
    );
  }
}
