/** Sees to it that a run of the tests leaves nothing behind: no file in the temporary folder or at home, no process. */
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { homedir, tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';

/** What programs keep there on purpose: Node's compiled code, esbuild's and vite's caches, the agents' snapshots; vitest, as it is killed, a folder named by 21 letters. */
const KEPT =
  /^(?:[\w-]{21}|node-compile-cache|v8-compile-cache.*|esbuild.*|vite.*|vitest.*|node-jiti|lane-(?:\d+|user)|npm-.*|pnpm-.*|corepack.*|hsperfdata_.*)$/;
/** Others write there at any time, package managers above all. */
const CACHES = /^\.(?:npm|cache|config|local|m2|java|node_repl_history|bash_history|lesshst|viminfo|pnpm.*|vscode.*)$/;
/** How long processes that were told to end may take. */
const PATIENCE_MS = 3_000;

/** Gives the run a temporary folder of its own, through TMPDIR; whoever has that in its environment was started by the run. */
export function watchLeftovers() {
  const before = new Set(atHome());
  const folder = mkdtempSync(join(tmpdir(), 'lane-run-'));
  process.env.TMPDIR = folder;
  return {
    /** What is left, one line each; removes the folder and ends the processes. */
    async end() {
      const deadline = Date.now() + PATIENCE_MS;
      while (processesWith(folder).length > 0 && Date.now() < deadline) await setTimeout(100);
      const left = [];
      for (const { pid, command } of processesWith(folder)) {
        left.push(`a process: ${pid} ${command}`);
        kill(pid);
      }
      for (const name of readdirSync(folder)) if (!KEPT.test(name)) left.push(`in the temporary folder: ${name}`);
      rmSync(folder, { recursive: true, force: true, maxRetries: 3 });
      for (const name of atHome()) if (!before.has(name) && !CACHES.test(name)) left.push(`at home: ${name}`);
      return left;
    },
  };
}

function atHome() {
  try {
    return readdirSync(homedir());
  } catch {
    return [];
  }
}

/** By the environment that a process was started with, which only Linux shows. This process is none of them: it had none at its start. */
function processesWith(folder) {
  if (process.platform !== 'linux') return [];
  return readdirSync('/proc').flatMap((pid) => {
    if (!/^\d+$/.test(pid)) return [];
    try {
      if (!readFileSync(`/proc/${pid}/environ`, 'latin1').split('\0').includes(`TMPDIR=${folder}`)) return [];
      return [{ pid: Number(pid), command: readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0').join(' ').trim() }];
    } catch {
      // It has ended, or is somebody else's.
      return [];
    }
  });
}

function kill(pid) {
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    // It has ended meanwhile.
  }
}
