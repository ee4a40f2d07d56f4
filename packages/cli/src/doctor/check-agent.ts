/** Whether the agent is in the process, or would be in one that is started so. */
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
        `process ${pid} is ${program === '' ? 'no Node' : program}, and the agent runs in Node only`,
        meant === undefined ? 'give the process id of the app itself' : `its child ${meant.pid} runs Node: --pid ${meant.pid}`,
      );
    }
    return;
  }
  const [, major = '0', minor = '0'] = /^v(\d+)\.(\d+)/.exec(version) ?? [];
  const isOld = Number(major) < OLDEST_NODE[0] || (Number(major) === OLDEST_NODE[0] && Number(minor) < OLDEST_NODE[1]);
  if (isOld) findings.error('node', `Node ${version} is too old: the app runs, without lanes`, `use Node ${OLDEST_NODE.join('.')} or later`);
  else findings.ok('node', `Node ${version}`);
}

/** Checks that the agent is loaded. */
export function checkAgent(examined: Examined, findings: Findings): void {
  const { status, environment, options, argv, pid } = examined;
  if (status !== undefined) {
    findings.ok('agent', `the agent ${status.version} is in process ${status.pid}, and answers`);
    if (status.version !== ownVersion) {
      findings.note('agent', `this command is version ${ownVersion}, and what it knows of the agent's options that of its own version`);
    }
    return;
  }
  if (pid !== undefined && isPackageManager(argv[1])) {
    const app = childrenOf(pid)[0];
    findings.error(
      'agent',
      `process ${pid} is ${basename(argv[1] ?? '')}, in which the agent keeps out of the way`,
      `give the process id of the app itself${app === undefined ? '' : `: --pid ${app.pid}, or one below it`}`,
    );
    return;
  }
  if (!wordsOf(environment['NODE_OPTIONS'] ?? '').isClosed) {
    findings.error(
      'agent',
      'NODE_OPTIONS has a quote that is not closed, with which Node does not start',
      'put " at both ends of each path with spaces in it',
    );
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
    `the agent${resolved.version === undefined ? '' : ` ${resolved.version}`} is loaded by ${preload.option} of ${preload.from}${agents.length > 1 ? ', and again by another, which does nothing' : ''}`,
  );
}

function missing({ cwd, root }: Examined, { module, option, from, rest }: Preload, findings: Findings): void {
  const whole = [module, ...rest].join(' ');
  const isSplit = rest.length > 0 && resolvePreload({ root, cwd } as Examined, { module: whole }).file !== undefined;
  if (isSplit) {
    findings.error(
      'agent',
      `${option} of ${from} has a path with spaces in it, which Node takes apart: ${whole}`,
      from === 'NODE_OPTIONS' ? `quote it: NODE_OPTIONS='${option} "${whole}"'` : `quote it: ${option} "${whole}"`,
    );
  } else if (module.startsWith('@lane/agent')) {
    findings.error(
      'agent',
      `${option} of ${from} names ${module}, which is not installed in ${cwd} or above it: Node ends with MODULE_NOT_FOUND`,
      'npm install @lane/agent there, or give the path of its file: `lane run` does',
    );
  } else {
    findings.error(
      'agent',
      `${option} of ${from} names ${module}, which is not there: Node ends with MODULE_NOT_FOUND`,
      `correct the path, or ${REMEDY}`,
    );
  }
}

/** What the agent itself tells to be wrong. */
export function checkInstrumentations({ status, options }: Examined, findings: Findings): void {
  if (status === undefined) return;
  const names = status.instrumentations.map(({ name }) => name);
  for (const name of options.disable.filter((one) => one !== 'all' && !names.includes(one))) {
    findings.warning('agent', `LANE_DISABLE names ${name}, which is no instrumentation`, `accepted are ${names.join(', ')}, all`);
  }
  for (const { name, failures } of status.instrumentations.filter(({ state }) => state === 'failed')) {
    findings.error(
      'agent',
      `the instrumentation ${name} is out of force (${failures} failures)`,
      'the log of the app has the first of them: please report it',
    );
  }
  if (!status.ready)
    findings.warning('agent', 'the app is being drained: it takes no new requests', 'nothing, if that was asked for; start it anew otherwise');
  if (status.tags.malformed > 0) {
    findings.warning(
      'agent',
      `${status.tags.malformed} requests came with a value that is no tag, and counted as base`,
      'look at who sends them: a tag is 1 to 64 of A-Z a-z 0-9 . _ -',
    );
  }
  if (status.tags.disagreeing > 0) {
    findings.warning(
      'agent',
      `${status.tags.disagreeing} requests came with two tags that differ, and the first format counted`,
      'look at who writes both, or list fewer in LANE_FORMATS_IN',
    );
  }
}
