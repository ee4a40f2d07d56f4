'use strict';
module.exports = require('./undici-h2.cjs')(require('undici7'));
