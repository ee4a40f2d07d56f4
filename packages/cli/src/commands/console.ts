import { readFileSync } from 'node:fs';
import { Command, Option } from 'commander';
import { parsePort } from '../arguments.js';
import { CliError } from '../cli-error.js';
import { formatsOption, type FormatsArguments } from '../formats-option.js';
import { connectAsAsked, expectNamespace, withNacosOptions, type NacosArguments } from '../nacos-options.js';
import { announceUntilAskedToStop, TERMINAL_LOG } from '../terminal.js';

/** `lane console`. */
export function consoleCommand(): Command {
  return withNacosOptions(new Command('console'))
    .description('start the console: web pages and an API for lane groups, lanes and traffic')
    .option('--port <port>', 'port to listen on; 0 takes a free one', parsePort, 8900)
    .option('--host <host>', 'address to listen on; beyond loopback a token is required', '127.0.0.1')
    .addOption(
      new Option('--token <token>', 'require this token; prefer the variable, because other users of this machine can see command lines').env(
        'LANE_CONSOLE_TOKEN',
      ),
    )
    .addOption(
      new Option('--tokens-file <file>', 'file of accounts, one "name role token" per line; roles are viewer and editor').env(
        'LANE_CONSOLE_TOKENS_FILE',
      ),
    )
    .addOption(new Option('--audit-log <file>', 'append an audit log to this file, one JSON object per line').env('LANE_CONSOLE_AUDIT_LOG'))
    .option('--allowed-host <name>', 'accept this Host, too, such as a proxy’s; repeatable', collect, [])
    .option('--behind-tls', "a proxy in front terminates TLS: browsers send the session's cookie over TLS only")
    .option('--tls-cert <file>', 'PEM certificate for TLS')
    .option('--tls-key <file>', 'PEM key of the certificate')
    .addOption(formatsOption())
    .option('--json', 'print the listening address as JSON')
    .action(console_);
}

interface ConsoleArguments extends NacosArguments, FormatsArguments {
  port: number;
  host: string;
  token?: string;
  tokensFile?: string;
  auditLog?: string;
  allowedHost: string[];
  behindTls?: boolean;
  tlsCert?: string;
  tlsKey?: string;
  json?: boolean;
}

async function console_(given: ConsoleArguments): Promise<void> {
  // Fastify takes 0.2 s to load: spare the other commands that.
  const { accountOfToken, parseAccounts, startConsole } = require('@lane/console') as typeof import('@lane/console');
  if ((given.tlsCert === undefined) !== (given.tlsKey === undefined)) {
    throw new CliError('--tls-cert and --tls-key belong together: give both', 'ELANE_USAGE', 2);
  }
  const accounts = [
    ...(given.token === undefined ? [] : [accountOfToken(given.token)]),
    ...(given.tokensFile === undefined ? [] : parseAccounts(read(given.tokensFile, '--tokens-file').toString('utf8'), given.tokensFile)),
  ];
  const connection = connectAsAsked(given);
  try {
    await expectNamespace(connection, given);
    const running = await startConsole({
      connection,
      serviceGroup: given.nacosGroup,
      formats: given.formats,
      port: given.port,
      host: given.host,
      accounts,
      allowedHosts: given.allowedHost,
      auditLog: given.auditLog,
      isBehindTls: given.behindTls,
      log: TERMINAL_LOG,
      ...(given.tlsCert === undefined || given.tlsKey === undefined
        ? {}
        : { tls: { cert: read(given.tlsCert, '--tls-cert'), key: read(given.tlsKey, '--tls-key') } }),
    });
    const check = await connection.check();
    if (!check.ok) console.error(`lane console: ${check.problem}; the pages show this until it is fixed`);
    if (accounts.length > 0 && running.url.startsWith('http:') && given.behindTls !== true && !running.url.includes('127.0.0.1')) {
      console.error('lane console: tokens are sent unencrypted: put a TLS proxy in front, or pass --tls-cert and --tls-key');
    }
    const { url, port } = running;
    await announceUntilAskedToStop(
      port,
      given.json === true ? JSON.stringify({ url, port }) : `console on ${url}${accounts.length === 0 ? '' : ', with a token'}; Ctrl-C ends it`,
    );
    await running.close();
  } finally {
    await connection.close();
  }
}

function collect(value: string, before: string[]): string[] {
  return [...before, value];
}

function read(file: string, option: string): Buffer {
  try {
    return readFileSync(file);
  } catch (error) {
    throw new CliError(`the file of ${option} can't be read: ${(error as Error).message}`, 'ELANE_USAGE', 2);
  }
}
