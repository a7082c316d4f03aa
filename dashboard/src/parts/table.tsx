import type { ComponentChildren } from "preact";

export interface Column<Row> {
  readonly name: string;
  readonly of: (row: Row) => ComponentChildren;
  /** "figure" is set flush right, "states" wraps badges. */
  readonly look?: "figure" | "states";
}

interface TableProps<Row> {
  /** What screen readers call it. */
  readonly label: string;
  readonly rows: readonly Row[];
  readonly keyOf: (row: Row) => string | number;
  /** The first names the row. */
  readonly columns: readonly [Column<Row>, ...Column<Row>[]];
  /** Whether it scrolls by itself when it has many rows. */
  readonly isTall?: boolean;
}

/** A table that scrolls sideways by itself where the page is narrow. */
export function Table<Row>({ label, rows, keyOf, columns, isTall = false }: TableProps<Row>) {
  const [first, ...others] = columns;
  return (
    <div class={isTall ? "wide tall" : "wide"} role="region" aria-label={label} tabIndex={0}>
      <table>
        <thead>
          <tr>
            {columns.map(({ name, look }) => (
              <th key={name} scope="col" class={look}>
                {name}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {rows.map((row) => (
            <tr key={keyOf(row)}>
              <th scope="row">{first.of(row)}</th>
              {others.map(({ name, of, look }) => (
                <td key={name} class={look}>
                  {of(row)}
                </td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}
