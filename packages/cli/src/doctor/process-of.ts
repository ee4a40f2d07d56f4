/** Reads a process from /proc. Linux only. */
import { execFile } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { endianness } from 'node:os';
import { basename } from 'node:path';
import { promisify } from 'node:util';
import { CliError } from '../cli-error.js';
import { EXIT } from '../exit-codes.js';
import type { Listening, Subject } from './subject.js';

/** The process with this id. Rejects with a CliError if there is none, or it belongs to another user. */
export async function processOf(pid: number): Promise<Subject> {
  if (process.platform !== 'linux') {
    throw new CliError(
      '--pid reads /proc, which only Linux has: name the admin port of the app instead, --admin host:port',
      'ELANE_USAGE',
      EXIT.usage,
    );
  }
  const folder = `/proc/${pid}`;
  if (!existsSync(folder))
    throw new CliError(`there is no process ${pid}: if it is in another container, run lane doctor there`, 'ELANE_NO_PROCESS', EXIT.usage);
  let environ: string;
  try {
    environ = readFileSync(`${folder}/environ`, 'utf8');
  } catch (error) {
    throw new CliError(
      `the environment of process ${pid} can't be read (${(error as NodeJS.ErrnoException).code}): run lane doctor as the user of the process`,
      'ELANE_NOT_PERMITTED',
    );
  }
  const argv = readFileSync(`${folder}/cmdline`, 'utf8').split('\0').slice(0, -1);
  return {
    what: `process ${pid}, ${argv.map((word, i) => (i === 0 ? basename(word) : word)).join(' ')}`,
    pid,
    environment: Object.fromEntries(
      environ
        .split('\0')
        .filter((entry) => entry.includes('='))
        .map((entry) => [entry.slice(0, entry.indexOf('=')), entry.slice(entry.indexOf('=') + 1)]),
    ),
    argv,
    cwd: linkOf(`${folder}/cwd`) ?? '/',
    root: linkOf(`${folder}/root`) === '/' ? '' : `${folder}/root`,
    nodeVersion: await nodeVersionOf(folder),
    listens: socketsOf(folder),
  };
}

/** Child processes, as `pid name arguments`. */
export function childrenOf(pid: number): Array<{ readonly pid: number; readonly argv: readonly string[] }> {
  try {
    return readdirSync(`/proc/${pid}/task`)
      .flatMap((task) => readFileSync(`/proc/${pid}/task/${task}/children`, 'utf8').split(' '))
      .filter((word) => /^\d+$/.test(word))
      .map((word) => ({ pid: Number(word), argv: readFileSync(`/proc/${word}/cmdline`, 'utf8').split('\0').slice(0, -1) }));
  } catch {
    return [];
  }
}

/** The version of the process's Node; undefined: it is not Node, or can't be started from here. */
async function nodeVersionOf(folder: string): Promise<string | undefined> {
  const program = linkOf(`${folder}/exe`);
  if (program === undefined || !basename(program).startsWith('node')) return undefined;
  try {
    const { stdout } = await promisify(execFile)(`${folder}/exe`, ['--version'], { env: {}, timeout: 5_000 });
    return /^v\d+\.\d+\.\d+\S*/.exec(stdout)?.[0];
  } catch {
    return undefined;
  }
}

/** Where the process listens: its sockets that /proc/net lists as listening. */
function socketsOf(folder: string): Listening[] {
  const found: Listening[] = [];
  try {
    const own = new Set(readdirSync(`${folder}/fd`).map((descriptor) => /^socket:\[(\d+)\]$/.exec(linkOf(`${folder}/fd/${descriptor}`) ?? '')?.[1]));
    for (const table of ['tcp', 'tcp6']) {
      for (const line of readFileSync(`${folder}/net/${table}`, 'utf8').split('\n').slice(1)) {
        // sl, local address, remote address, state, ..., inode; 0A is LISTEN
        const [, local = '', , state, , , , , , inode] = line.trim().split(/\s+/);
        if (state !== '0A' || !own.has(inode)) continue;
        const [address = '', port = ''] = local.split(':');
        found.push({ address: addressOf(address), port: Number.parseInt(port, 16) });
      }
    }
  } catch {
    // Unknown.
  }
  return found;
}

/** Decodes an address: a little-endian machine has 127.0.0.1 as `0100007F`. */
function addressOf(hex: string): string | undefined {
  if (hex.length !== 8) return undefined;
  const bytes = hex.match(/../g)?.map((byte) => Number.parseInt(byte, 16)) ?? [];
  return (endianness() === 'LE' ? bytes.toReversed() : bytes).join('.');
}

function linkOf(path: string): string | undefined {
  try {
    return readlinkSync(path);
  } catch {
    return undefined;
  }
}
