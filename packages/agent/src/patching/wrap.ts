/** All patching goes through `wrap`; a test checks that. */
export { wrap, type Undo } from '@lane/core/agent';
