import { useState } from "preact/hooks";
import { signIn, signInProblem } from "./session.ts";

export function SignIn() {
  const [token, setToken] = useState("");
  return (
    <main class="sign-in">
      <h1>SeedCore</h1>
      <p>
        Open the address that <code>seedcore up</code> printed, or paste a token: it is in the file <code>token</code>{" "}
        of the organism's folder.
      </p>
      <form
        onSubmit={(event) => {
          event.preventDefault();
          void signIn(token.trim());
        }}
      >
        <label for="token">Token</label>
        <input
          id="token"
          type="password"
          autocomplete="off"
          required
          value={token}
          onInput={({ currentTarget }) => setToken(currentTarget.value)}
        />
        <button type="submit">Sign in</button>
      </form>
      <p role="alert" class="bad">
        {signInProblem.value}
      </p>
    </main>
  );
}
