/** Checks that a test run leaves nothing behind: no file in the temporary or home folder, no process. */
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { homedir, tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';

/** What programs keep in the temporary folder on purpose: compile caches, agents' snapshots; and the folder with a 21-letter name that a killed vitest leaves. */
const KEPT =
  /^(?:[\w-]{21}|node-compile-cache|v8-compile-cache.*|esbuild.*|vite.*|vitest.*|node-jiti|lane-(?:\d+|user)|npm-.*|pnpm-.*|corepack.*|hsperfdata_.*)$/;
/** Folders at home that other programs may write to at any time, above all package managers. */
const CACHES = /^\.(?:npm|cache|config|local|m2|java|node_repl_history|bash_history|lesshst|viminfo|pnpm.*|vscode.*)$/;
/** How long processes may take to end after they were told to, which a busy machine makes longer; only one that stays waits for all of it. */
const PATIENCE_MS = 30_000;

/** Gives the run its own temporary folder through TMPDIR. A process with that in its environment was started by the run. */
export function watchLeftovers() {
  const before = new Set(atHome());
  const folder = mkdtempSync(join(tmpdir(), 'lane-run-'));
  process.env.TMPDIR = folder;
  return {
    /** Returns a line for each leftover; removes the folder and kills the processes. */
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

/** Finds processes by the environment that they started with, which only Linux shows. This process started without it, so it is not found. */
function processesWith(folder) {
  if (process.platform !== 'linux') return [];
  return readdirSync('/proc').flatMap((pid) => {
    if (!/^\d+$/.test(pid)) return [];
    try {
      if (!readFileSync(`/proc/${pid}/environ`, 'latin1').split('\0').includes(`TMPDIR=${folder}`)) return [];
      return [{ pid: Number(pid), command: readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0').join(' ').trim() }];
    } catch {
      // It has ended, or belongs to another user.
      return [];
    }
  });
}

function kill(pid) {
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    // It has ended in the meantime.
  }
}
