'use strict';
module.exports = require('./got-h1.cjs')(require('got11'));
