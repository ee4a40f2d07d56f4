/** What the exit codes of all commands mean. */
export const EXIT = {
  ok: 0,
  /** It did not work, or what was checked is not right. */
  failed: 1,
  /** The arguments can't be used. */
  usage: 2,
  /** Somebody else has changed the lane groups meanwhile; nothing of theirs is overwritten. */
  conflict: 3,
} as const;
