import type { Command } from 'commander';
import { consoleCommand } from './console.js';
import { demoCommand } from './demo.js';
import { doctorCommand } from './doctor.js';
import { gatewayCommand } from './gateway.js';
import { completeCommand, completionCommand } from './completion.js';
import { drainCommand } from './drain.js';
import { explainCommand } from './explain.js';
import { groupCommand } from './group.js';
import { injectorCommand } from './injector.js';
import { createCommand, deleteCommand, disableCommand, enableCommand, setCommand } from './lanes.js';
import { lintCommand } from './lint.js';
import { nacosCommand } from './nacos.js';
import { runCommand } from './run.js';
import { statusCommand } from './status.js';

/** All commands, in the order of `lane --help`. Their actions load what only they need. */
export const COMMANDS: ReadonlyArray<() => Command> = [
  demoCommand,
  nacosCommand,
  gatewayCommand,
  consoleCommand,
  groupCommand,
  createCommand,
  setCommand,
  enableCommand,
  disableCommand,
  deleteCommand,
  statusCommand,
  explainCommand,
  doctorCommand,
  lintCommand,
  injectorCommand,
  runCommand,
  drainCommand,
  completionCommand,
];

/** Commands that `lane --help` does not list. */
export const HIDDEN_COMMANDS: ReadonlyArray<() => Command> = [completeCommand];
