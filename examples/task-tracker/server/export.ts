// An export as a file: JSON, or CSV as spreadsheets read it.
import type { Format } from '../shared/kinds.ts';
import { Task } from '../shared/shapes.ts';

export const mediaTypes: Readonly<Record<Format, string>> = {
  json: 'application/json; charset=utf-8',
  csv: 'text/csv; charset=utf-8',
};

const columns = Task.keyof().exclude(['overdue', 'updated_at']).options;

export function file(format: Format, tasks: readonly Task[]): string {
  if (format === 'json') return `${JSON.stringify(tasks, columns, 2)}\n`;
  const rows = tasks.map((task) => columns.map((name) => cell(task[name])));
  return [columns, ...rows].map((row) => `${row.join(',')}\r\n`).join('');
}

function cell(value: string | number | null): string {
  // A text that begins like a formula would be run as one by a spreadsheet.
  const text = typeof value === 'string' && /^[=+\-@\t\r]/.test(value) ? `'${value}` : String(value ?? '');
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}
