// Icons, in the colour of the surrounding text.
import type { JSX } from 'preact';

const drawings = {
  overview: 'M3 13h7V3H3zM14 21h7V11h-7zM14 7h7V3h-7zM3 21h7v-4H3z',
  tasks: 'M9 6h12M9 12h12M9 18h12M3.500 6h.01M3.500 12h.01M3.500 18h.01',
  failures:
    'M12 9v4M12 17h.01M10.300 3.900 2 18a2 2 0 0 0 1.700 3h16.600a2 2 0 0 0 1.700-3L13.700 3.900a2 2 0 0 0-3.400 0z',
  queues: 'M12 3 3 8l9 5 9-5zM3 12.500l9 5 9-5M3 17l9 5 9-5',
  workers: 'M6 6h12v12H6zM10 10h4v4h-4zM9 2v4M15 2v4M9 18v4M15 18v4M2 9h4M2 15h4M18 9h4M18 15h4',
  schedules: 'M12 7v5l3 2M21 12a9 9 0 1 1-18 0 9 9 0 0 1 18 0z',
  limits: 'M4 19a9 9 0 1 1 16 0M12 15l4-5M12 15h.01',
  dead: 'M3 4h18v5H3zM5 9v11h14V9M10 13h4',
  doctor: 'M3 12h4l3-8 4 16 3-8h4',
  audit: 'M6 3h9l4 4v14H6zM14 3v5h5M9 12h7M9 16h7',
  menu: 'M3 6h18M3 12h18M3 18h18',
  close: 'M6 6l12 12M18 6 6 18',
  check: 'M5 12.500l4.500 4.500L19 7.500',
  cross: 'M6 6l12 12M18 6 6 18',
  play: 'M8 5.500v13l10-6.500z',
  retry:
    'M20 11a8 8 0 0 0-14.500-4L3 9.500M3 4v5.500h5.500M4 13a8 8 0 0 0 14.500 4l2.500-2.500M21 20v-5.500h-5.500',
  tray: 'M3 13h5l1.500 3h5L16 13h5M3 13l3-8h12l3 8v6H3z',
  dots: 'M12 3.500a8.500 8.500 0 1 1 0 17 8.500 8.500 0 0 1 0-17z',
  clock: 'M12 7v5l3 2M21 12a9 9 0 1 1-18 0 9 9 0 0 1 18 0z',
  slash: 'M21 12a9 9 0 1 1-18 0 9 9 0 0 1 18 0zM5.700 5.700l12.600 12.600',
  minus: 'M5 12h14',
  copy: 'M9 9h11v11H9zM5 15H4V4h11v1',
  sun: 'M12 17a5 5 0 1 0 0-10 5 5 0 0 0 0 10zM12 1v2M12 21v2M4.200 4.200l1.400 1.400M18.400 18.400l1.400 1.400M1 12h2M21 12h2M4.200 19.800l1.400-1.400M18.400 5.600l1.400-1.400',
  moon: 'M20.500 14A8.500 8.500 0 1 1 10 3.500a7 7 0 0 0 10.500 10.500z',
  screen: 'M3 4h18v12H3zM8 20h8M12 16v4',
  help: 'M9.100 9a3 3 0 0 1 5.800 1c0 2-3 2.500-3 4M12 17.500h.01M21 12a9 9 0 1 1-18 0 9 9 0 0 1 18 0z',
  search: 'M16.500 16.500 21 21M18 10.500a7.500 7.500 0 1 1-15 0 7.500 7.500 0 0 1 15 0z',
  pause: 'M8 5v14M16 5v14',
  right: 'M9 5l7 7-7 7',
  down: 'M5 9l7 7 7-7',
  workflow: 'M5 3h5v5H5zM14 16h5v5h-5zM5 16h5v5H5zM7.500 8v8M7.500 12H16.500v4',
  stop: 'M8 3h8l5 5v8l-5 5H8l-5-5V8z',
  warning:
    'M12 9v4M12 17h.01M10.300 3.900 2 18a2 2 0 0 0 1.700 3h16.600a2 2 0 0 0 1.700-3L13.700 3.900a2 2 0 0 0-3.400 0z',
} as const;

export type IconName = keyof typeof drawings;

/** Hidden from screen readers: the text beside it has the same meaning. */
export function Icon({ name, size = 16 }: { name: IconName; size?: number }): JSX.Element {
  return (
    <svg
      class="icon"
      width={size}
      height={size}
      viewBox="0 0 24 24"
      fill="none"
      stroke="currentColor"
      stroke-width="2"
      stroke-linecap="round"
      stroke-linejoin="round"
      aria-hidden="true"
    >
      <path d={drawings[name]} />
    </svg>
  );
}
