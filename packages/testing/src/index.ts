/**
 * Helpers shared by the tests of several packages. Those without vitest have their own entry: `@lane/testing/ports`.
 * `@lane/testing/programs` is separate, so that `npm test -- --changed` can tell which tests run built programs.
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
