/**
 * Reads the options of the agent from the environment, then from the file named by LANE_CONFIG; what they mean is in core, where commands
 * find it, too. The only place where the agent reads `process.env`.
 */
import { readFileSync } from 'node:fs';
import { CONFIG_VARIABLE, readAgentOptions, type AgentOptions, type Environment, type OptionProblem, type OptionSources } from '@lane/core/agent';

/** Where Kubernetes' downward API puts the pod's labels, as Alibaba's onepilot mounts them. */
const LABELS_FILE = '/etc/podinfo/labels';

/** Reads all options. Never throws: what can't be used is told in `problems`, and left at its default or closed. */
export function readOptions(
  environment: Environment = process.env,
  labelsFile: string = LABELS_FILE,
): { options: AgentOptions; problems: OptionProblem[] } {
  return readAgentOptions({ environment, file: readConfigFile(environment[CONFIG_VARIABLE]), labels: readLabels(labelsFile) });
}

function readConfigFile(path: string | undefined): OptionSources['file'] {
  if (path === undefined || path === '') return undefined;
  try {
    const raw = readFileSync(path, 'utf8');
    // Loaded only where a YAML file is used: it costs more than all the rest of the start.
    return { path, content: path.endsWith('.json') ? JSON.parse(raw) : (require('yaml') as typeof import('yaml')).parse(raw) };
  } catch (error) {
    return { path, unreadable: (error as Error).message.split('\n')[0] as string };
  }
}

function readLabels(path: string): OptionSources['labels'] {
  try {
    return { path, text: readFileSync(path, 'utf8') };
  } catch {
    return undefined;
  }
}
