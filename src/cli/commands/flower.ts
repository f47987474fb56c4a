import { Command } from 'commander';
import { UsageError } from '../usage.ts';

/** `umbel flower`: names the alternatives to the dashboard. */
export function flowerCommand(): Command {
  return new Command('flower')
    .description('The dashboard in the browser does not exist yet; names the alternatives.')
    .option('--port <number>', "Flower's.")
    .option('--address <address>', "Flower's.")
    .allowUnknownOption()
    .allowExcessArguments()
    .addHelpText(
      'after',
      `
Examples:
  umbel -A ./app.ts top
  umbel -A ./app.ts events
  celery -b redis://localhost/0 flower --port=5555`,
    )
    .action(() => {
      throw new UsageError(
        "there is no dashboard in the browser yet; umbel top and umbel events show the cluster in the terminal, and Python's Flower works with our workers: celery -b <broker> flower",
      );
    });
}
