/**
 * What the tests of several packages share. What needs no vitest can be had alone: `@lane/testing/ports`.
 * Not here: `@lane/testing/programs`, so that `npm test -- --changed` can tell who runs built programs.
 */
export * from './cleanup.js';
export * from './clock.js';
export * from './eventually.js';
export * from './instances.js';
export * from './log.js';
export * from './ports.js';
export * from './processes.js';
export * from './raw-http.js';
export * from './received.js';
export * from './rules.js';
