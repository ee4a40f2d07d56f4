/** The built `lane` command, run as people run it. */
import { execFile } from 'node:child_process';
import { join } from 'node:path';

export const LANE = join(__dirname, '../../dist/main.js');

/** What the tests are themselves started with must not reach what they start. */
export const CLEAN: NodeJS.ProcessEnv = Object.fromEntries(
  Object.entries(process.env).filter(([name]) => !/^(?:lane_|NODE_OPTIONS$|NODE_PATH$)/i.test(name)),
);

export interface Result {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

interface Surroundings {
  /** Beside {@link CLEAN}. */
  readonly env?: NodeJS.ProcessEnv;
  readonly cwd?: string;
  /** What it reads from standard input. */
  readonly input?: string;
}

/** Runs a program to its end. */
export function runProgram(program: string, args: readonly string[], { env, cwd, input }: Surroundings = {}): Promise<Result> {
  return new Promise((resolve) => {
    const child = execFile(program, args, { cwd, env: { ...CLEAN, ...env } }, (_error, stdout, stderr) =>
      resolve({ code: child.exitCode, stdout, stderr }),
    );
    child.stdin?.end(input);
  });
}

/** Runs `lane` to its end. */
export const runLane = (args: readonly string[], surroundings?: Surroundings): Promise<Result> =>
  runProgram(process.execPath, [LANE, ...args], surroundings);
