/** Names and values of the settings. */
import { AGENT_VARIABLES, TAG_VARIABLES, type Environment } from '@lane/core/agent';
import { nearest } from '@lane/core/model';
import type { Findings } from './finding.js';
import type { Examined } from './subject.js';

/** Variables of the injector, besides the agent's. */
const INJECTED = ['LANE_APP_NODE_OPTIONS'];

/** Checks that each variable that looks like ours exists. `ofCommands`: variables that `lane` itself reads. */
export function checkNames({ environment }: { readonly environment: Environment }, ofCommands: readonly string[], findings: Findings): void {
  const known = [...AGENT_VARIABLES, ...ofCommands, ...INJECTED];
  const ours = Object.keys(environment).filter((name) => /^lane[_.-]/i.test(name));
  const unknown = ours.filter((name) => !known.includes(name));
  for (const name of unknown) {
    const meant = nearest(name.toUpperCase().replace(/[.-]/g, '_'), AGENT_VARIABLES);
    if (meant === undefined) {
      findings.warning(
        'options',
        `${name} is not an option of the agent and is ignored`,
        'ignore this if another program uses it; docs/reference/options.md of Lane lists the options of the agent',
      );
    } else findings.error('options', `${name} is not an option of the agent and is ignored`, `did you mean ${meant}?`);
  }
  const set = ours.filter((name) => known.includes(name)).toSorted();
  if (unknown.length === 0)
    findings.ok('options', set.length === 0 ? 'no variable of Lane is set: all options have their defaults' : `known names: ${set.join(', ')}`);
}

/** Checks values, and settings that have no effect or contradict each other. */
export function checkValues({ problems, options, environment }: Examined, findings: Findings): void {
  for (const { message, refused: [what, must] = [message.replace(/\.$/, ''), 'correct it, or leave it out'] } of problems) {
    findings.error('options', what, must);
  }
  const tags = TAG_VARIABLES.filter((name) => (environment[name] ?? '') !== '');
  if (new Set(tags.map((name) => environment[name])).size > 1) {
    findings.warning(
      'tag',
      `${tags.map((name) => `${name}=${environment[name]}`).join(' and ')} differ: the first counts`,
      `unset all but one of ${tags.join(', ')}`,
    );
  }
  if (options.stamp && options.tag === undefined) {
    findings.warning('options', 'LANE_STAMP is on, but the instance has no tag to stamp requests with', 'set LANE_TAG, or unset LANE_STAMP');
  }
  const unread = options.formats.filter((format) => !options.formatsIn.includes(format));
  if (unread.length > 0) {
    findings.warning(
      'options',
      `tags are written as ${unread.join(', ')}, which LANE_FORMATS_IN does not read: peers with the same settings can't read each other's tags`,
      `add ${unread.join(', ')} to LANE_FORMATS_IN`,
    );
  }
  checkEnvProxy(environment, findings);
}

/**
 * Node's own proxy (https://nodejs.org/api/http.html#built-in-proxy-support): it takes every call whose host NO_PROXY does not name, but for those
 * to internal instances that the agent knows. Other clients read the same variables, and a proxy outside can't know services by name.
 */
function checkEnvProxy(environment: Environment, findings: Findings): void {
  const isOn = environment['NODE_USE_ENV_PROXY'] === '1' || /(?:^|\s)--use-env-proxy(?:\s|$)/.test(environment['NODE_OPTIONS'] ?? '');
  const valueOf = (name: string): string | undefined => environment[name.toLowerCase()] ?? environment[name];
  const proxies = ['HTTP_PROXY', 'HTTPS_PROXY'].filter((name) => (valueOf(name) ?? '') !== '');
  if (!isOn || proxies.length === 0) return;
  const except = valueOf('NO_PROXY') ?? '';
  findings.warning(
    'options',
    `Node sends calls through the proxy of ${proxies.join(' and ')}${except === '' ? ', whatever their host, as NO_PROXY is not set' : ` unless NO_PROXY=${except} names their host`}; the agent exempts only calls to internal instances that it knows`,
    'list internal hosts in NO_PROXY: services that are called by name, and the addresses of their instances, such as NO_PROXY=spring-cloud-b,10.0.0.1-10.0.0.255',
  );
}
