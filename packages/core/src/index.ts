/** What apps import, with the agent or without it: the current lane. */
export { bindLane, currentLane, runInLane } from './context.js';
export type { Tag } from './names/tag.js';
