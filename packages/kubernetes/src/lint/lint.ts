/** `lane lint`: finds what will not work in manifests, above all for lanes. */
import type { Finding, Found, Severity } from './finding.js';
import type { LintRule } from './lint-rule.js';
import { relate } from './manifests.js';
import { deprecatedApi } from './rules/deprecated-api.js';
import { laneGroups, ruleOrder } from './rules/lane-groups.js';
import { stampingHarmful, tagWithoutBase } from './rules/lanes.js';
import { probePort } from './rules/ports.js';
import { ingressBackend, ingressPort, requestHost, serviceSelector } from './rules/references.js';
import { valueQuotes } from './rules/values.js';
import { readManifest, readRequests, REQUEST_OPTION, type Resource, type SourceText, type StatedRequest } from './source-text.js';

/** All rules, by their names in findings, `--disable` and comments. */
export const LINT_RULES: Readonly<Record<string, Pick<LintRule, 'severity' | 'about'>>> = {
  'yaml-syntax': { severity: 'error', about: 'A manifest is not valid YAML.' },
  template: { severity: 'note', about: 'A file is a template, which lint can only check after it is rendered.' },
  'ingress-backend': ingressBackend,
  'ingress-port': ingressPort,
  'service-selector': serviceSelector,
  'request-host': requestHost,
  'tag-without-base': tagWithoutBase,
  'stamping-harmful': stampingHarmful,
  'value-quotes': valueQuotes,
  'probe-port': probePort,
  'deprecated-api': deprecatedApi,
  'lane-groups': laneGroups,
  'rule-order': ruleOrder,
};

/** Options of {@link lint}. */
export interface LintOptions {
  /** Names of rules to disable. */
  readonly disable?: readonly string[];
  /** Hosts that clients will request, besides those of curl lines. */
  readonly hosts?: readonly string[];
}

/** What was found, in the order of files and lines. */
export interface LintReport {
  readonly findings: readonly Finding[];
  readonly files: number;
  readonly resources: number;
  /** Number of findings by severity. */
  readonly counts: Readonly<Record<Severity, number>>;
}

const IS_MANIFEST = /\.(?:ya?ml|json)$/i;

/**
 * Lints texts together: an Ingress in one may name a Service in another. Files other than `.yaml`, `.yml` and `.json` are read for
 * their curl lines. Throws a TypeError if a rule to disable does not exist.
 */
export function lint(texts: readonly SourceText[], options: LintOptions = {}): LintReport {
  const { disable = [], hosts = [] } = options;
  const unknown = disable.find((rule) => !Object.hasOwn(LINT_RULES, rule));
  if (unknown !== undefined) throw new TypeError(`there is no rule ${unknown}: there are ${Object.keys(LINT_RULES).join(', ')}`);
  const resources: Resource[] = [];
  const documents: Resource[] = [];
  const requests: StatedRequest[] = hosts.map((host) => ({ file: REQUEST_OPTION, line: 1, column: 1, host: host.toLowerCase() }));
  const findings: Finding[] = [];
  const add = (rule: string, found: Found): void => {
    findings.push({ rule, severity: (LINT_RULES[rule] as LintRule).severity, ...found });
  };
  for (const source of texts) {
    requests.push(...readRequests(source));
    if (!IS_MANIFEST.test(source.file) && source.file !== '-') continue;
    const read = readManifest(source);
    resources.push(...read.resources);
    documents.push(...read.laneGroups);
    for (const problem of read.problems) add('yaml-syntax', problem);
    if (read.isTemplate) {
      const message = 'this is a template and was skipped: lint its rendered output (helm template)';
      add('template', { file: source.file, line: 1, column: 1, message });
    }
  }
  const manifests = relate(resources, requests, documents);
  for (const [rule, { find }] of Object.entries(LINT_RULES) as Array<[string, Partial<LintRule>]>) {
    if (find !== undefined) for (const found of find(manifests)) add(rule, found);
  }
  const switches = new Map(texts.map((source) => [source.file, disabledIn(source.text)]));
  const order = new Map(texts.map(({ file }, i) => [file, i]));
  const kept = findings
    .filter(({ rule, file, line }) => !disable.includes(rule) && switches.get(file)?.(rule, line) !== true)
    .sort((a, b) => (order.get(a.file) ?? -1) - (order.get(b.file) ?? -1) || a.line - b.line || a.column - b.column);
  const count = (severity: Severity): number => kept.filter((finding) => finding.severity === severity).length;
  return {
    findings: kept,
    files: texts.length,
    resources: resources.length,
    counts: { error: count('error'), warning: count('warning'), note: count('note') },
  };
}

/** `# lane-lint-disable RULE …` holds for its line and the next; `# lane-lint-disable-file RULE …` for the file. Without a rule: all. */
function disabledIn(text: string): (rule: string, line: number) => boolean {
  const byLine = new Map<number, ReadonlyArray<readonly string[]>>();
  const whole: string[][] = [];
  if (text.includes('lane-lint-disable')) {
    text.split('\n').forEach((content, index) => {
      const match = /#\s*lane-lint-disable(-file)?\b([\w\s,-]*)/.exec(content);
      if (match === null) return;
      const rules = (match[2] ?? '').split(/[\s,]+/).filter((rule) => rule !== '');
      if (match[1] !== undefined) whole.push(rules);
      else for (const line of [index + 1, index + 2]) byLine.set(line, [...(byLine.get(line) ?? []), rules]);
    });
  }
  return (rule, line) => [...whole, ...(byLine.get(line) ?? [])].some((rules) => rules.length === 0 || rules.includes(rule));
}
