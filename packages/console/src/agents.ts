/** What agents tell of themselves, for commands: without the console's server. */
export { askForDoubts, type AgentsDoubts } from './traffic/doubts.js';
export { isLoopbackServer } from './traffic/admin-address.js';
