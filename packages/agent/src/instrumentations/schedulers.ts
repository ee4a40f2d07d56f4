/** node-schedule, and cron, which @nestjs/schedule is built on: jobs run in the lane of the background, whoever scheduled them. */
import { startInBackground } from '../in-background.js';
import type { LoadedFile } from '../instrumentation.js';

export function patch({ exports }: LoadedFile): void {
  const { CronJob, Job } = exports as Partial<Record<'CronJob' | 'Job', { prototype: object }>>;
  if (CronJob !== undefined) startInBackground(CronJob.prototype, 'start');
  // A job's methods are put on each instance, in the constructor, by way of this one of the prototype.
  if (Job !== undefined) for (const method of ['schedule', 'runOnDate', 'reschedule']) startInBackground(Job.prototype, method);
}
