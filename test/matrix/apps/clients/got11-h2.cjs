'use strict';
module.exports = require('./got-h2.cjs')(require('got11'));
