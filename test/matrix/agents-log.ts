/** The agent must log nothing untrue: each of its lines in a program of the matrix must be among those that the program expects (`says`). */
import { afterEach, expect } from 'vitest';
import { unexpectedLines } from '../agent/run-app.js';

afterEach(() => expect(unexpectedLines(), "what the agents' logs say").toEqual([]));
