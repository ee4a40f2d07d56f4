/** What is examined: a process, or the environment that an app would be started in. */
import { readFileSync } from 'node:fs';
import { dirname, isAbsolute, join } from 'node:path';
import {
  CONFIG_VARIABLE,
  readAgentOptions,
  type AgentOptions,
  type Environment,
  type OptionProblem,
  type OptionSources,
  type StatusReport,
} from '@lane/core/agent';

/** What is known about it before any check. */
export interface Subject {
  /** As the report calls it. */
  readonly what: string;
  /** undefined: only an environment. */
  readonly pid: number | undefined;
  readonly environment: Environment;
  /** Arguments of the process, its program first; empty without a process. */
  readonly argv: readonly string[];
  readonly cwd: string;
  /** The root of its file system, seen from here: empty, or `/proc/PID/root` for a container's. */
  readonly root: string;
  /** Such as `v22.1.0`; undefined: unknown. */
  readonly nodeVersion: string | undefined;
  /** Where it listens for TCP. */
  readonly listens: readonly Listening[];
}

/** A listening socket. */
export interface Listening {
  /** Of IPv4; undefined: another one. */
  readonly address: string | undefined;
  readonly port: number;
}

/** The input of the checks. */
export interface Examined extends Subject {
  /** As the agent would read them from this environment; `status`, its own report, takes precedence. */
  readonly options: AgentOptions;
  readonly problems: readonly OptionProblem[];
  /** The report of the agent in the process; undefined: it was not asked, or did not answer. */
  readonly status: StatusReport | undefined;
}

/** The environment of this shell, as if the app were started in it. */
export function ownEnvironment(environment: Environment, cwd: string): Subject {
  return {
    what: 'the environment of this shell',
    pid: undefined,
    environment,
    argv: [],
    cwd,
    root: '',
    nodeVersion: process.version,
    listens: [],
  };
}

/** An agent known only from its own report. */
export function agentAt(address: string): Subject {
  return { what: `the agent at ${address}`, pid: undefined, environment: {}, argv: [], cwd: '/', root: '', nodeVersion: undefined, listens: [] };
}

/** A path of the subject, seen from here. */
export function pathOf({ root, cwd }: Pick<Subject, 'root' | 'cwd'>, path: string): string {
  return root + (isAbsolute(path) ? path : join(cwd, path));
}

const LABELS_FILE = '/etc/podinfo/labels';

/** The options that an agent reports, without its password. */
export function optionsTold({ options }: StatusReport): AgentOptions {
  const { options: defaults } = readAgentOptions({ environment: {} });
  return { ...defaults, ...(options as Partial<AgentOptions>), nacosPassword: undefined };
}

/** Reads the options as the agent does. */
export function optionsOf(subject: Subject): Pick<Examined, 'options' | 'problems'> {
  const { environment } = subject;
  return readAgentOptions({ environment, file: readFile(subject), labels: readLabels(subject) });
}

function readFile(subject: Subject): OptionSources['file'] {
  const path = subject.environment[CONFIG_VARIABLE];
  if (path === undefined || path === '') return undefined;
  try {
    const text = readFileSync(pathOf(subject, path), 'utf8');
    return { path, content: path.endsWith('.json') ? JSON.parse(text) : (require('yaml') as typeof import('yaml')).parse(text) };
  } catch (error) {
    return { path, unreadable: (error as Error).message.split('\n')[0] as string };
  }
}

function readLabels(subject: Subject): OptionSources['labels'] {
  try {
    return { path: LABELS_FILE, text: readFileSync(pathOf(subject, LABELS_FILE), 'utf8') };
  } catch {
    return undefined;
  }
}

/** The package that a file belongs to: the nearest package.json with a name, going up. Paths are the subject's. */
export function packageOf(root: string, path: string): { readonly name: string; readonly version: string | undefined } | undefined {
  for (let folder = dirname(path); ; folder = dirname(folder)) {
    try {
      const { name, version } = JSON.parse(readFileSync(join(root + folder, 'package.json'), 'utf8')) as { name?: unknown; version?: unknown };
      if (typeof name === 'string' && name !== '') return { name, version: typeof version === 'string' ? version : undefined };
    } catch {
      // none here
    }
    if (folder === dirname(folder)) return undefined;
  }
}
