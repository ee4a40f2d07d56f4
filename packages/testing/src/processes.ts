/** Runs programs as users run them. */
import { execFile } from 'node:child_process';

/** The environment without what the tests themselves were started with. */
export const CLEAN: NodeJS.ProcessEnv = Object.fromEntries(
  Object.entries(process.env).filter(([name]) => !/^(?:lane_|vitest|NODE_OPTIONS$|NODE_PATH$)/i.test(name)),
);

/** How a program ended, and its output. */
export interface Result {
  /** null if a signal ended it. */
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** The surroundings of a program. */
export interface Surroundings {
  /** In addition to {@link CLEAN}. */
  readonly env?: NodeJS.ProcessEnv;
  readonly cwd?: string;
  /** Its standard input. */
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
