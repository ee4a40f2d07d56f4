'use strict';
// The floor for anything that carries a context: one AsyncLocalStorage, entered once, then left alone.
const { AsyncLocalStorage } = require('node:async_hooks');
new AsyncLocalStorage().run({}, () => {});
