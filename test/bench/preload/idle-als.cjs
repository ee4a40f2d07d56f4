'use strict';
// The floor for anything that carries a context: one AsyncLocalStorage, entered once and then not used.
const { AsyncLocalStorage } = require('node:async_hooks');
new AsyncLocalStorage().run({}, () => {});
