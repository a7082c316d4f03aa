import { useState } from "preact/hooks";

/** A button whose work can be refused: it says so beside itself. */
export function Ask({
  label,
  kind = "",
  work,
}: {
  readonly label: string;
  readonly kind?: string;
  readonly work: () => Promise<unknown>;
}) {
  const [state, setState] = useState<"ready" | "busy">("ready");
  const [problem, setProblem] = useState("");
  const click = async () => {
    setState("busy");
    setProblem("");
    try {
      await work();
    } catch (error) {
      setProblem((error as Error).message);
    }
    setState("ready");
  };
  return (
    <>
      <button type="button" class={kind} disabled={state === "busy"} onClick={() => void click()}>
        {label}
      </button>
      <span class="bad" role="alert">
        {problem}
      </span>
    </>
  );
}
