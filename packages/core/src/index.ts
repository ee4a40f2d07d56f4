/** What apps import, with the agent or without it: the lane of the work at hand. */
export { bindLane, currentLane, runInLane } from './context.js';
export type { Tag } from './names/tag.js';
