import { notifications } from '@mantine/notifications';

/** Tells that something is done; screen readers say it, too. */
export function sayDone(message: string): void {
  notifications.show({ message, color: 'teal', withBorder: true, role: 'status', autoClose: 4_000 });
}

/** Tells that something could not be done. */
export function sayFailed(title: string, message: string): void {
  notifications.show({ title, message, color: 'red', withBorder: true, autoClose: 10_000 });
}
