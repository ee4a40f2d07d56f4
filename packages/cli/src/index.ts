export { BASE_HOST, GRAY_HOST, SHOP, shopLaneGroups, startDemo, type Demo, type DemoOptions, type DemoService } from './demo.js';
export { checkDemo, type HostCheck } from './check-demo.js';
export { CliError } from './cli-error.js';
export { ManagedProcess, type ProcessOptions } from './managed-process.js';
