import { createRequire } from 'node:module';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { Argument, Command } from 'commander';
import { nearest } from '@lane/core/model';
import {
  changesBetween,
  exportPlan,
  exportRules,
  EXPORT_TARGETS,
  exportTarget,
  exportTargetOf,
  isComplete,
  planExport,
  summaryOf,
  type Exported,
  type ExportTarget,
  type PlanSummary,
} from '@lane/gateway/export';
import { CliError } from '../cli-error.js';
import { EXIT } from '../exit-codes.js';
import { registryHoldOption } from '../gateway-arguments.js';
import { sourceNow, watchSource, withExportOptions, type ExportArguments } from '../export-arguments.js';
import { printForProgram, printJson } from '../output.js';
import { untilAskedToStop } from '../terminal.js';
import { WatchedFile, type Applied } from '../watched-file.js';

/** `lane gateway export`. */
export function gatewayExportCommand(): Command {
  return withExportOptions(new Command('export'))
    .description('export entry rules and routes as the configuration of a gateway that you already run')
    .addArgument(targetArgument())
    .option('-o, --output <file>', 'write to this file, atomically, instead of standard output')
    .option('--watch', 'with --output: keep running; rewrite the file and reload the gateway when rules or instances change')
    .option('--reload <command>', 'with --watch: shell command that reloads the gateway; $LANE_FILE is the file. Default: below')
    .addOption(registryHoldOption())
    .option('--check <command>', 'with --watch: shell command that checks the file; if it fails, the old file is restored. Default: below')
    .option('--json', 'print the configuration, and the rules that it can’t express, as JSON')
    .option('--strict', 'exit with 1 if something can’t be expressed')
    .addHelpText(
      'after',
      `\nWhat is written:\n${EXPORT_TARGETS.map(({ name, title, output }) => `  ${name.padEnd(22)}${output}, for ${title}`).join('\n')}\n\nWhat --watch runs:\n${EXPORT_TARGETS.map(commandsOf).join('')}`,
    )
    .action(exportGateway);
}

function commandsOf({ name, check, reload }: ExportTarget): string {
  const commands = [check, reload].filter((one) => one !== undefined);
  return commands.length === 0 ? '' : `  ${name.padEnd(22)}${commands.join(', then ')}\n`;
}

/** Completion offers the built-in targets; a third party's package is validated when it is loaded. */
function targetArgument(): Argument {
  const names = EXPORT_TARGETS.map(({ name }) => name);
  return new Argument('<gateway>', 'which one, or a package (or a file, ./target.js) that exports one as exportTarget')
    .choices(names)
    .argParser((text) => text);
}

/** A built-in target, or the one that a package exports: installed in the working directory, else beside the command. */
async function targetOf(name: string): Promise<ExportTarget> {
  const ours = exportTarget(name);
  if (ours !== undefined) return ours;
  const known = EXPORT_TARGETS.map((target) => target.name);
  const file = resolveFrom(join(process.cwd(), 'package.json'), name) ?? resolveFrom(__filename, name);
  if (file === undefined) {
    const meant = nearest(name, known);
    throw new CliError(
      `${JSON.stringify(name)} is not a gateway${meant === undefined ? '' : `: did you mean ${meant}?`} Allowed choices are ${known.join(', ')}, or the name of an installed package that exports one`,
      'ELANE_USAGE',
      EXIT.usage,
    );
  }
  try {
    return exportTargetOf(await import(pathToFileURL(file).href), name);
  } catch (error) {
    throw new CliError(`${name} can't be used: ${(error as Error).message}`, 'ELANE_USAGE', EXIT.usage);
  }
}

function resolveFrom(from: string, name: string): string | undefined {
  try {
    return createRequire(from).resolve(name);
  } catch {
    return undefined;
  }
}

interface Given extends ExportArguments {
  output?: string;
  watch?: boolean;
  reload?: string;
  check?: string;
  json?: boolean;
  strict?: boolean;
}

async function exportGateway(name: string, given: Given, command: Command): Promise<void> {
  const target = await targetOf(name);
  const { output, watch = false } = given;
  if (watch && output === undefined) throw new CliError('--watch needs a file to write: give --output FILE', 'ELANE_USAGE', EXIT.usage);
  for (const option of ['reload', 'check'] as const)
    if (!watch && given[option] !== undefined) throw new CliError(`--${option} requires --watch: give both`, 'ELANE_USAGE', EXIT.usage);
  if (watch && (given.json === true || given.strict === true))
    throw new CliError("--json and --strict can't be combined with --watch: leave out --watch", 'ELANE_USAGE', EXIT.usage);
  if (watch) await watchExport(target, given, command, output as string);
  else await exportOnce(target, given, command);
}

async function exportOnce(target: ExportTarget, given: Given, command: Command): Promise<void> {
  const exported = exportRules(target, await sourceNow(given, command, target.needsAddresses));
  if (given.json === true) printJson(exported);
  else if (given.output === undefined) printForProgram(exported.text);
  else await new WatchedFile({ path: given.output }).put(exported.text);
  if (given.json !== true) tellRemarks(exported);
  if (given.strict === true && exported.remarks.some(({ kind }) => kind === 'gap')) process.exitCode = EXIT.failed;
}

function tellRemarks({ remarks }: Exported): void {
  for (const { kind, rule, message } of remarks)
    console.error(`${kind === 'gap' ? 'not expressed' : 'note'}: ${rule === undefined ? '' : `rule ${rule}: `}${message}`);
}

async function watchExport(target: ExportTarget, given: Given, command: Command, path: string): Promise<void> {
  const file = new WatchedFile({ path, check: given.check ?? target.check, reload: given.reload ?? target.reload });
  let inForce: PlanSummary | undefined;
  let remarked = '';
  const source = await watchSource(given, command, (next, isSettled) => {
    const plan = planExport(next, target.needsAddresses);
    const exported = exportPlan(target, plan);
    if (JSON.stringify(exported.remarks) !== remarked) tellRemarks(exported);
    remarked = JSON.stringify(exported.remarks);
    if (!isSettled && target.needsAddresses && inForce === undefined && file.exists && !isComplete(plan)) {
      console.error(`${path} stays unchanged for a while, or until every service has an instance: the registry may have lost them`);
      return;
    }
    const summary = summaryOf(plan);
    file.apply(exported.text, (applied) => {
      console.log(`${new Date().toISOString()} ${path}: ${wordsOf(applied)}`);
      if (applied.outcome === 'refused') return;
      for (const line of changesBetween(inForce, summary)) console.log(`  ${line}`);
      inForce = summary;
    });
  });
  // Before the line: who reads it may ask at once.
  const asked = untilAskedToStop();
  console.log(`watching rules and instances for ${target.title}; Ctrl-C ends it, and leaves ${path} as it is`);
  await asked;
  await source.close();
  await file.close();
}

function wordsOf({ outcome, reloadMs, problem }: Applied): string {
  switch (outcome) {
    case 'unchanged':
      return 'up to date';
    case 'refused':
      return `the new file is rejected, and the old one restored. ${problem}`;
    case 'not-reloaded':
      return `written, but the gateway still uses the old one; next try in 5 s. ${problem}`;
    case 'written':
      return reloadMs === undefined ? 'written; nothing to reload' : `written, and loaded by the gateway after ${reloadMs} ms`;
  }
}
