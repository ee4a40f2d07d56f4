'use strict';
module.exports = require('./undici.cjs')(require('undici8'));
