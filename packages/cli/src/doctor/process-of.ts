/** Reads a process from /proc. Linux only. */
import { execFile } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { endianness } from 'node:os';
import { basename } from 'node:path';
import { promisify } from 'node:util';
import { CliError } from '../cli-error.js';
import { EXIT } from '../exit-codes.js';
import type { Listening, Subject } from './subject.js';

/** The process of this id. Rejects with a CliError where there is none, or it is somebody else's. */
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
    throw new CliError(`there is no process ${pid}: is it of another container? Run this one beside it`, 'ELANE_NO_PROCESS', EXIT.usage);
  let environ: string;
  try {
    environ = readFileSync(`${folder}/environ`, 'utf8');
  } catch (error) {
    throw new CliError(
      `the environment of process ${pid} can't be read (${(error as NodeJS.ErrnoException).code}): run this as the user whose process it is`,
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

/** The version of the Node that runs there; undefined: it is no Node, or does not start from here. */
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

/** Where the process listens: those of its sockets that its network lists as listening. */
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
    // Not known, then.
  }
  return found;
}

/** `0100007F`, as a machine of little endian has 127.0.0.1. */
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
