module.exports = { output: 'standalone', outputFileTracingRoot: require('node:path').join(__dirname, '../..') };
