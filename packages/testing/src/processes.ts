/** Programs, run as people run them. */
import { execFile } from 'node:child_process';

/** What the tests are themselves started with must not reach what they start. */
export const CLEAN: NodeJS.ProcessEnv = Object.fromEntries(
  Object.entries(process.env).filter(([name]) => !/^(?:lane_|vitest|NODE_OPTIONS$|NODE_PATH$)/i.test(name)),
);

/** How a program ended, and what it said. */
export interface Result {
  /** null where a signal ended it. */
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** What a program finds around it. */
export interface Surroundings {
  /** Beside {@link CLEAN}. */
  readonly env?: NodeJS.ProcessEnv;
  readonly cwd?: string;
  /** What it reads from standard input. */
  readonly input?: string;
}

/** Runs a program to its end, however it ends. */
export function runProgram(program: string, args: readonly string[], { env, cwd, input }: Surroundings = {}): Promise<Result> {
  return new Promise((resolve) => {
    const child = execFile(program, args, { cwd, env: { ...CLEAN, ...env } }, (_error, stdout, stderr) =>
      resolve({ code: child.exitCode, stdout, stderr }),
    );
    child.stdin?.end(input);
  });
}
