/** Names and values of the settings. */
import { AGENT_VARIABLES, TAG_VARIABLES, type Environment } from '@lane/core/agent';
import { nearest } from '@lane/core/model';
import type { Findings } from './finding.js';
import type { Examined } from './subject.js';

/** What the injector keeps beside the agent's own. */
const INJECTED = ['LANE_APP_NODE_OPTIONS'];

/** Checks that each variable which looks like one of ours is one. `ofCommands`: variables that `lane` itself reads. */
export function checkNames({ environment }: { readonly environment: Environment }, ofCommands: readonly string[], findings: Findings): void {
  const known = [...AGENT_VARIABLES, ...ofCommands, ...INJECTED];
  const ours = Object.keys(environment).filter((name) => /^lane[_.-]/i.test(name));
  const unknown = ours.filter((name) => !known.includes(name));
  for (const name of unknown) {
    const meant = nearest(name.toUpperCase().replace(/[.-]/g, '_'), AGENT_VARIABLES);
    if (meant === undefined) {
      findings.warning(
        'options',
        `${name} is no option of the agent, which ignores it`,
        'nothing, if it is somebody else’s; the options of the agent are in Lane’s docs/reference/options.md',
      );
    } else findings.error('options', `${name} is no option of the agent, which ignores it`, `did you mean ${meant}?`);
  }
  const set = ours.filter((name) => known.includes(name)).toSorted();
  if (unknown.length === 0)
    findings.ok('options', set.length === 0 ? 'no variable of Lane is set: all is at its default' : `known by name: ${set.join(', ')}`);
}

/** Checks the values, and settings that do nothing or contradict each other. */
export function checkValues({ problems, options, environment }: Examined, findings: Findings): void {
  for (const { message } of problems) {
    // The message has the remedy in it, behind a colon.
    const cut = message.indexOf(': accepted is ');
    if (cut === -1) findings.error('options', message.replace(/\.$/, ''), 'correct it, or leave it out');
    else findings.error('options', message.slice(0, cut), message.slice(cut + 2).replace(/\..*$/s, ''));
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
      `tags are written as ${unread.join(', ')}, which LANE_FORMATS_IN does not read: peers set up alike do not understand each other`,
      `add ${unread.join(', ')} to LANE_FORMATS_IN`,
    );
  }
  checkEnvProxy(environment, findings);
}

/**
 * Node's own proxy (https://nodejs.org/api/http.html#built-in-proxy-support): it takes every call whose host NO_PROXY does not name, and a proxy
 * outside can't know services of the registry by name.
 */
function checkEnvProxy(environment: Environment, findings: Findings): void {
  const isOn = environment['NODE_USE_ENV_PROXY'] === '1' || /(?:^|\s)--use-env-proxy(?:\s|$)/.test(environment['NODE_OPTIONS'] ?? '');
  const valueOf = (name: string): string | undefined => environment[name.toLowerCase()] ?? environment[name];
  const proxies = ['HTTP_PROXY', 'HTTPS_PROXY'].filter((name) => (valueOf(name) ?? '') !== '');
  if (!isOn || proxies.length === 0) return;
  const except = valueOf('NO_PROXY') ?? '';
  findings.warning(
    'options',
    `Node sends calls by the proxy of ${proxies.join(' and ')}${except === '' ? ', whatever their host: NO_PROXY is not set' : ` unless NO_PROXY=${except} names their host`}`,
    'name in NO_PROXY what is internal: the services that are called by name, and the addresses of their instances, such as NO_PROXY=spring-cloud-b,10.0.0.1-10.0.0.255',
  );
}
