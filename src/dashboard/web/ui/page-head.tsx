import type { ComponentChildren, JSX } from 'preact';

export function PageHead({
  title,
  sub,
  children,
}: {
  title: ComponentChildren;
  sub?: ComponentChildren;
  children?: ComponentChildren;
}): JSX.Element {
  return (
    <div class="page-head">
      <div class="page-title">
        <h1>{title}</h1>
        {sub !== undefined && <div class="page-sub">{sub}</div>}
      </div>
      {children !== undefined && <div class="page-actions">{children}</div>}
    </div>
  );
}

/** A section of a page with a heading. */
export function Panel({
  title,
  aside,
  children,
  flush = false,
}: {
  title: ComponentChildren;
  aside?: ComponentChildren;
  children: ComponentChildren;
  /** No inner margin, for tables. */
  flush?: boolean;
}): JSX.Element {
  return (
    <section class={`panel${flush ? ' panel-flush' : ''}`}>
      <header class="panel-head">
        <h2>{title}</h2>
        {aside}
      </header>
      <div class="panel-body">{children}</div>
    </section>
  );
}

/** A list of names and values. */
export function Facts({
  facts,
}: {
  facts: readonly (readonly [name: string, value: ComponentChildren])[];
}): JSX.Element {
  return (
    <dl class="facts">
      {facts.map(([name, value]) => (
        <div key={name}>
          <dt>{name}</dt>
          <dd>{value}</dd>
        </div>
      ))}
    </dl>
  );
}
