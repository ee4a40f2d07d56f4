/**
 * Reads the options of the agent from the environment, then from the file named by LANE_CONFIG; core has their meaning, for
 * the commands as well. The only place where the agent reads `process.env`.
 */
import { existsSync, readFileSync } from 'node:fs';
import {
  AGENT_VARIABLES,
  CONFIG_VARIABLE,
  mistypedVariables,
  readAgentOptions,
  shownValue,
  TAG_VARIABLES,
  type AgentOptions,
  type Environment,
  type OptionProblem,
  type OptionSources,
} from '@lane/core/agent';

/** Where Kubernetes' downward API puts the pod's labels, as Alibaba's onepilot mounts them. */
const LABELS_FILE = '/etc/podinfo/labels';

/** How many variables that came too late the line names. */
const VARIABLES_TOLD = 5;

/**
 * The environment as the app will have it. In PM2's cluster mode a worker starts with the daemon's: what the ecosystem file has is JSON in the
 * variable `pm2_env`, which PM2's own container unpacks only after the agent is loaded (pm2, lib/God/ClusterMode.js and lib/ProcessContainer.js).
 */
function environmentOf(environment: Environment): Environment {
  const json = environment['pm2_env'];
  if (json === undefined) return environment;
  const unpacked: Record<string, string | undefined> = { ...environment };
  try {
    for (const [name, value] of Object.entries(JSON.parse(json) as object)) if (typeof value !== 'object') unpacked[name] = String(value);
  } catch {
    // Not PM2's, or in an unknown form: the line about late options covers it.
  }
  return unpacked;
}

/**
 * Finds options that were set after the agent had read them, as dotenv and other code in the process does. Returns the line to log; undefined: all
 * that is set now is in force.
 */
export function watchForLateOptions(environment: Environment = process.env): () => string | undefined {
  const variables = [...new Set([...AGENT_VARIABLES, ...TAG_VARIABLES])];
  const atStart = environmentOf(environment);
  const before = new Map(variables.map((name) => [name, atStart[name]]));
  return () => {
    const late = variables.filter((name) => (environment[name] ?? '') !== '' && environment[name] !== before.get(name));
    if (late.length === 0) return undefined;
    for (const name of late) before.set(name, environment[name]);
    const shown = late
      .slice(0, VARIABLES_TOLD)
      .map((name) => (name.endsWith('PASSWORD') ? name : `${name}=${shownValue(name, environment[name] as string)}`));
    const tag = late.some((name) => TAG_VARIABLES.includes(name)) ? ', so this instance has another tag than it says' : '';
    return `${shown.join(', ')} came after the agent had read its options, and ${late.length === 1 ? 'is' : 'are'} not in force${tag}. Set ${late.length === 1 ? 'it' : 'them'} before Node starts: in the environment, with node --env-file, or put what sets ${late.length === 1 ? 'it' : 'them'} (such as --require dotenv/config) before the agent`;
  };
}

/** Reads all options. Never throws: unusable values are listed in `problems`, and keep the default or fail closed. */
export function readOptions(
  environment: Environment = process.env,
  labelsFile: string = LABELS_FILE,
): { options: AgentOptions; problems: OptionProblem[] } {
  const given = environmentOf(environment);
  const { options, problems } = readAgentOptions({
    environment: given,
    file: readConfigFile(given[CONFIG_VARIABLE]),
    labels: readLabels(labelsFile),
  });
  for (const [name, meant] of mistypedVariables(given)) {
    const isBase = options.tag === undefined && meant === 'LANE_TAG' ? ', so this instance is base' : '';
    problems.push({ message: `${name} is not an option of the agent and is ignored${isBase}: did you mean ${meant}?` });
  }
  return { options, problems };
}

function readConfigFile(path: string | undefined): OptionSources['file'] {
  if (path === undefined || path === '') return undefined;
  try {
    const raw = readFileSync(path, 'utf8');
    // Loaded only where a YAML file is used: it costs more than all the rest of the start.
    return { path, content: path.endsWith('.json') ? JSON.parse(raw) : (require('#yaml') as typeof import('yaml')).parse(raw) };
  } catch (error) {
    return { path, unreadable: (error as Error).message.split('\n')[0] as string };
  }
}

function readLabels(path: string): OptionSources['labels'] {
  try {
    // Usually there is none: an error would take longer than all of the environment.
    return existsSync(path) ? { path, text: readFileSync(path, 'utf8') } : undefined;
  } catch {
    return undefined;
  }
}
