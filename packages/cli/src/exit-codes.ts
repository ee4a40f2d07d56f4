/** The exit codes of all commands. */
export const EXIT = {
  ok: 0,
  /** The command failed, or a check found problems. */
  failed: 1,
  /** Invalid arguments. */
  usage: 2,
  /** Somebody else changed the lane groups in the meantime; their change is not overwritten. */
  conflict: 3,
} as const;
