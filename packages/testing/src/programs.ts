/** The built programs of this repository. Who imports this file is run again by `npm test -- --changed` when they change. */
import { join } from 'node:path';
import { runProgram, type Result, type Surroundings } from './processes.js';

const PACKAGES = join(__dirname, '../..');

/** The `lane` command. */
export const LANE = join(PACKAGES, 'cli/dist/main.js');

/** The agent, for `--require`. */
export const AGENT = join(PACKAGES, 'agent/dist/register.js');

/** Runs `lane` to its end. */
export const runLane = (args: readonly string[], surroundings?: Surroundings): Promise<Result> =>
  runProgram(process.execPath, [LANE, ...args], surroundings);
