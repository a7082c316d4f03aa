/** Version of this package; a test compares it with package.json. */
export const SEEDCORE_VERSION = "0.1.0";
