import type { Command } from 'commander';
import { demoCommand } from './demo.js';
import { gatewayCommand } from './gateway.js';
import { groupCommand } from './group.js';
import { createCommand, deleteCommand, disableCommand, enableCommand } from './lanes.js';
import { nacosCommand } from './nacos.js';

/** All commands, in the order in which `lane --help` lists them. What only one of them needs, its action loads. */
export const COMMANDS: ReadonlyArray<() => Command> = [
  demoCommand,
  nacosCommand,
  gatewayCommand,
  groupCommand,
  createCommand,
  enableCommand,
  disableCommand,
  deleteCommand,
];
