import { Command, Option } from 'commander';
import type { Finding, LintReport, Severity } from '@lane/kubernetes/lint';
import { CliError } from '../cli-error.js';
import { EXIT } from '../exit-codes.js';
import { readManifests } from '../manifest-files.js';
import { counted, printJson, styled, type Style } from '../output.js';

const { version } = require('../../package.json') as { version: string };

/** `lane lint`. */
export function lintCommand(): Command {
  return new Command('lint')
    .description('check Kubernetes manifests for dangling references, lanes without a base, and values that Lane refuses')
    .argument('[files...]', 'manifests, folders of them, files with curl lines (scripts, Markdown); - for standard input')
    .option('--request <host>', 'a Host that clients will request; repeatable', (host: string, before: string[] | undefined) => [
      ...(before ?? []),
      host,
    ])
    .option('--disable <rules>', 'rules to skip, a comma-separated list', (rules: string, before: string[] | undefined) => [
      ...(before ?? []),
      ...rules.split(/[\s,]+/),
    ])
    .option('--strict', 'exit with 1 for warnings, too')
    .addOption(new Option('--format <format>', 'output format of findings').choices(['text', 'json', 'sarif']).default('text'))
    .option('--json', 'the same as --format json')
    .option('--rules', 'list the rules')
    .addHelpText(
      'after',
      '\nIn a manifest, `# lane-lint-disable RULE` holds for its line and the next, `# lane-lint-disable-file RULE` for the file.',
    )
    .action(run);
}

interface Given {
  request?: string[];
  disable?: string[];
  strict?: boolean;
  format: 'text' | 'json' | 'sarif';
  json?: boolean;
  rules?: boolean;
}

async function run(files: readonly string[], given: Given): Promise<void> {
  const { lint, LINT_RULES, toSarif } = await import('@lane/kubernetes/lint');
  if (given.rules === true) {
    const rules = Object.entries(LINT_RULES).map(([name, { severity, about }]) => ({ name, severity, about }));
    if (given.json === true) printJson(rules);
    else for (const { name, severity, about } of rules) console.log(`${name.padEnd(18)} ${severity.padEnd(8)} ${about}`);
    return;
  }
  if (files.length === 0) throw new CliError('name the manifests: files, folders, or - for standard input', 'ELANE_USAGE', EXIT.usage);
  const unknown = given.disable?.find((rule) => !Object.hasOwn(LINT_RULES, rule));
  if (unknown !== undefined) throw new CliError(`there is no rule ${unknown} to disable: lane lint --rules lists them`, 'ELANE_USAGE', EXIT.usage);
  const texts = (await Promise.all(files.map((path) => readManifests(path, READ)))).flat();
  if (texts.length === 0)
    throw new CliError(`there is nothing to lint in ${files.join(', ')}: no manifest, script or Markdown`, 'ELANE_USAGE', EXIT.usage);
  const report = lint(texts, { disable: given.disable ?? [], hosts: given.request ?? [] });
  if (given.json === true || given.format === 'json') printJson(report);
  else if (given.format === 'sarif') printJson(toSarif(report.findings, version));
  else print(report);
  if (report.counts.error > 0 || (given.strict === true && report.counts.warning > 0)) process.exitCode = EXIT.failed;
}

/** Files read from a folder. */
const READ = /\.(?:ya?ml|json|md|sh)$/i;

const STYLES: Readonly<Record<Severity, Style>> = { error: 'red', warning: 'yellow', note: 'cyan' };

function print({ findings, files, resources, counts }: LintReport): void {
  for (const finding of findings) console.log(lineOf(finding));
  if (findings.length > 0) console.log('');
  const found = (['error', 'warning', 'note'] as const)
    .filter((severity) => counts[severity] > 0)
    .map((severity) => counted(counts[severity], severity));
  console.log(`${counted(resources, 'resource')} in ${counted(files, 'file')}: ${found.join(', ') || 'nothing found'}`);
}

function lineOf({ file, line, column, severity, message, resource, rule }: Finding): string {
  const whose = resource === undefined ? '' : `${resource}: `;
  const place = file === '--request' ? file : `${file}:${line}:${column}`;
  return `${place}: ${styled(STYLES[severity], severity)}: ${whose}${message} ${styled('dim', `[${rule}]`)}`;
}
