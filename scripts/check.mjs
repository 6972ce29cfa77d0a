/**
 * `npm run check`: exactly what CI runs. Types, style, tidiness and tests are all counted by `test.mjs`.
 * It exists so that the habit has a name of its own.
 */
import "./test.mjs";
