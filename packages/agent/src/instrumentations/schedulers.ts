/**
 * node-schedule, cron (on which @nestjs/schedule builds) and node-cron: jobs run in the lane of the background, whoever scheduled them.
 */
import { startInBackground } from '../patching/in-background.js';
import type { LoadedFile } from '../patching/instrumentation.js';

export function patch({ exports, file }: LoadedFile): void {
  const { CronJob, Job, InlineScheduledTask } = exports as Partial<Record<'CronJob' | 'Job' | 'InlineScheduledTask', { prototype: object }>>;
  const nodeCron = file === 'node-cron/src/scheduler.js' ? (exports as { prototype: object }) : InlineScheduledTask;
  if (nodeCron !== undefined) startInBackground(nodeCron.prototype, 'start');
  if (CronJob !== undefined) startInBackground(CronJob.prototype, 'start');
  if (Job === undefined) return;
  // A job of node-schedule puts its methods on each instance, in the constructor, by way of these of the prototype.
  for (const method of ['schedule', 'runOnDate', 'reschedule']) startInBackground(Job.prototype, method);
}
