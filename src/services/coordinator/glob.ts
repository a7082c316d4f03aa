/** Something whole names are tested with. */
export interface Glob {
  test(text: string): boolean;
}

/**
 * A glob for whole names: `*` stands for any characters, `?` for one; everything else for itself. It goes back to its last
 * `*` only, so that no pattern takes longer than its length times the text's, as a regular expression would.
 */
export function globPattern(glob: string): Glob {
  const pattern = Array.from(glob);
  return {
    test(text) {
      const characters = Array.from(text);
      let at = 0;
      let star = -1;
      let resumeAt = 0;
      for (let i = 0; i < characters.length; ) {
        if (pattern[at] === "*") {
          star = at++;
          resumeAt = i;
        } else if (at < pattern.length && (pattern[at] === "?" || pattern[at] === characters[i])) {
          at++;
          i++;
        } else if (star >= 0) {
          at = star + 1;
          i = ++resumeAt;
        } else return false;
      }
      while (pattern[at] === "*") at++;
      return at === pattern.length;
    },
  };
}
