import { WorkflowError } from '../errors.ts';

/** The application of these parts. @throws WorkflowError when they are of several */
export function commonApp<App extends { readonly name: string }>(
  parts: readonly { readonly app: App | null }[],
): App | null {
  let app: App | null = null;
  for (const part of parts) {
    if (app !== null && part.app !== null && part.app !== app) {
      throw new WorkflowError(
        `the parts of a workflow belong to two applications, '${app.name}' and '${part.app.name}'; take tasks of the other one by app.remote`,
      );
    }
    app ??= part.app;
  }
  return app;
}
