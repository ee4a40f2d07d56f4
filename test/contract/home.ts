/**
 * Gives the tests, and the apps that they start, their own home folder: the native part of `nacos-sdk-rust-binding-node` logs and
 * caches under HOME, and has no option to change that. Runs before a test file is loaded.
 */
import { mkdirSync } from 'node:fs';
import { resolve } from 'node:path';

const home = resolve(__dirname, '../../.cache/nacos-sdk');
mkdirSync(home, { recursive: true });
process.env['HOME'] = home;
