/** A lock between processes: test files run beside each other, and what they fetch and build is shared. */
import { linkSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

let locks = 0;

/** Takes the lock of a folder, from a holder that is gone too; resolves with its release. `tell` hears once of another process that holds it. */
export async function lockFolder(folder: string, tell: (holder: number) => void = () => {}): Promise<() => void> {
  mkdirSync(folder, { recursive: true });
  const file = join(folder, 'preparing.pid');
  const mine = `${file}-${process.pid}-${locks++}`;
  writeFileSync(mine, String(process.pid));
  try {
    for (let told = false; ;) {
      try {
        // A link appears with its content; a file would first appear empty.
        linkSync(mine, file);
        return () => rmSync(file, { force: true });
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
      }
      const holder = lockHolder(file) ?? process.pid;
      if (!isRunning(holder)) rmSync(file, { force: true });
      if (!told && holder !== process.pid) tell(holder);
      told = true;
      await pause(200);
    }
  } finally {
    rmSync(mine, { force: true });
  }
}

function lockHolder(file: string): number | undefined {
  try {
    return Number(readFileSync(file, 'utf8'));
  } catch {
    // let go since
    return undefined;
  }
}

/** Resolves after this many milliseconds. */
export function pause(milliseconds: number): Promise<void> {
  return new Promise((done) => setTimeout(done, milliseconds));
}

/** Whether a process with this id is running. */
export function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}
