/** The axis on which a support measures distance and width. */
export interface Scale {
  to(value: number): number;
  /** The inverse of `to`. */
  from(scaled: number): number;
}

/** The series' own unit. */
export const LINEAR: Scale = { to: (value) => value, from: (scaled) => scaled };
