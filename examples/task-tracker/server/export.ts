// An export as a file: JSON, or CSV as spreadsheets read it.
import type { Task } from './shapes.ts';

export const formats = ['json', 'csv'] as const;
export type Format = (typeof formats)[number];

export const mediaTypes: Readonly<Record<Format, string>> = {
  json: 'application/json; charset=utf-8',
  csv: 'text/csv; charset=utf-8',
};

const columns = [
  'id',
  'title',
  'description',
  'status',
  'priority',
  'deadline',
  'created_at',
  'completed_at',
] as const;

/** The beginning, each task, and the end; put together they are the file. */
export function writer(format: Format): {
  begin: string;
  row(task: Task, first: boolean): string;
  end: string;
} {
  if (format === 'csv')
    return {
      begin: `${columns.join(',')}\r\n`,
      row: (task) => `${columns.map((name) => cell(task[name])).join(',')}\r\n`,
      end: '',
    };
  return {
    begin: '[',
    row: (task, first) =>
      `${first ? '' : ','}\n  ${JSON.stringify(Object.fromEntries(columns.map((name) => [name, task[name]])))}`,
    end: '\n]\n',
  };
}

function cell(value: string | number | null): string {
  // A text that begins like a formula would be run as one by a spreadsheet.
  const text = typeof value === 'string' && /^[=+\-@\t\r]/.test(value) ? `'${value}` : String(value ?? '');
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}
