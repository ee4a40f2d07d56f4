const { Bootstrap } = require('@midwayjs/bootstrap');
const { ShopConfiguration } = require('./dist/configuration.js');
const { CommodityController } = require('./dist/commodity.controller.js');

void Bootstrap.configure({
  appDir: __dirname,
  baseDir: `${__dirname}/dist`,
  imports: [ShopConfiguration, CommodityController],
  moduleDetector: false,
}).run();
