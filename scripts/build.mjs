// npm run build: everything that would be published.
import { ensureBuilt, ensureInstalled } from "./workspace.mjs";

ensureInstalled();
ensureBuilt("all");
