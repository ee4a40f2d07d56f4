'use strict';
// Preloaded before the agent: takes a function that the agent has not patched yet.
globalThis.captured = { request: require('node:http').request };
