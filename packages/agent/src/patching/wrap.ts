/** Patching goes through `wrap` alone; a test sees to it. */
export { wrap, type Undo } from '@lane/core/agent';
