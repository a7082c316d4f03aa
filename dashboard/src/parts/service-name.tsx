/** A service, with whether an open incident blames it. */
export function ServiceName({ name, isBlamed }: { readonly name: string; readonly isBlamed: boolean }) {
  return (
    <>
      {name} {isBlamed && <span class="badge bad">to blame</span>}
    </>
  );
}
