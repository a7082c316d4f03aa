/** How actions are written for people, the same wherever one is. No schema is here: the page has it, too. */

/** `restart-host of shop-stock`; the skill alone where it is done to nothing. */
export const skillName = ({ skill, target }: { readonly skill: string; readonly target: string }): string =>
  target === "" ? skill : `${skill} of ${target}`;

/** The command by which a person says what became of an action; what is pasted as it is changes nothing. */
export const settleCommand = (actionId: string): string => `seedcore settle ${actionId} --outcome OUTCOME`;

/** What is to be done about an action whose outcome is unknown; as `failed` is told what was not done. */
export const howToSettle = (actionId: string): string =>
  `Look, then say what became of it (helped, useless or failed): ${settleCommand(actionId)}`;
