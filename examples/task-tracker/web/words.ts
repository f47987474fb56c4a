// How things are called and written.
import { type Priority, priorities, type Status, statuses } from '../shared/kinds.ts';

export const statusNames: Readonly<Record<Status, string>> = { todo: 'To do', doing: 'Doing', done: 'Done' };
export const priorityNames: Readonly<Record<Priority, string>> = {
  low: 'Low',
  normal: 'Normal',
  high: 'High',
  urgent: 'Urgent',
};
export const statusOptions = statuses.map((status) => [status, statusNames[status]] as const);
export const priorityOptions = priorities.map((priority) => [priority, priorityNames[priority]] as const);

export function count(n: number, one: string): string {
  return `${n.toLocaleString('en')} ${one}${n === 1 ? '' : 's'}`;
}

const dayMs = 86_400_000;
const relative = new Intl.RelativeTimeFormat('en', { numeric: 'auto' });

/** 'today, 17:00', 'in 3 days', '12 Mar 2027', in the time zone of this computer. */
export function when(at: string): string {
  const date = new Date(at);
  const midnight = (of: Date) => new Date(of.getFullYear(), of.getMonth(), of.getDate()).getTime();
  const days = Math.round((midnight(date) - midnight(new Date())) / dayMs);
  if (days === 0) return `today, ${date.toLocaleTimeString('en-GB', { hour: '2-digit', minute: '2-digit' })}`;
  if (Math.abs(days) < 14) return relative.format(days, 'day');
  return date.toLocaleDateString('en-GB', { day: 'numeric', month: 'short', year: 'numeric' });
}

export function exactly(at: string): string {
  return new Date(at).toLocaleString('en-GB', { dateStyle: 'medium', timeStyle: 'short' });
}

/** As a field of type datetime-local has it. */
export function toField(at: string | null): string {
  if (at === null) return '';
  const date = new Date(at);
  return new Date(date.getTime() - date.getTimezoneOffset() * 60_000).toISOString().slice(0, 16);
}

export function fromField(text: string): string | null {
  return text === '' ? null : new Date(text).toISOString();
}
