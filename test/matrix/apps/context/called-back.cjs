'use strict';
/** Resolves when `start` has called back without an error. */
exports.calledBack = (start) => new Promise((resolve, reject) => start((error, value) => (error ? reject(error) : resolve(value))));
