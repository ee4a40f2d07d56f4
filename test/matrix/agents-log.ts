/** A line of the agent's log is true, or is not there: what it says in any program of the matrix, that program says of itself (`says`). */
import { afterEach, expect } from 'vitest';
import { unexpectedLines } from '../agent/run-app.js';

afterEach(() => expect(unexpectedLines(), "what the agents' logs say").toEqual([]));
