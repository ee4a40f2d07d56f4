import type { Static } from '@sinclair/typebox';
import type {
  AuditSchema,
  ExplanationSchema,
  GroupsSchema,
  HistorySchema,
  HopSchema,
  ServicesSchema,
  SessionSchema,
  VersionSchema,
} from './schemas.js';

export { startConsole, type ConsoleOptions, type RunningConsole } from './server.js';
export { accountOfToken, MIN_TOKEN_LENGTH, parseAccounts, type Access, type Account, type Role, type User } from './access/accounts.js';
export { ConsoleError, type ConsoleErrorCode } from './console-error.js';
export { AuditLog, type AuditAction, type AuditEntry } from './audit-log.js';
export type { Traffic, TrafficDecision, TrafficEdge, TrafficNode } from './traffic/figures.js';

/** The API's responses, by their schemas. */
export type SessionAnswer = Static<typeof SessionSchema>;
export type GroupsAnswer = Static<typeof GroupsSchema>;
export type ServicesAnswer = Static<typeof ServicesSchema>;
export type HistoryAnswer = Static<typeof HistorySchema>;
export type HopAnswer = Static<typeof HopSchema>;
export type VersionAnswer = Static<typeof VersionSchema>;
export type AuditAnswer = Static<typeof AuditSchema>;
export type ExplanationAnswer = Static<typeof ExplanationSchema>;
