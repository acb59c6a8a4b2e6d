export * from "./contracts/index.ts";
export { type Token, token } from "./token.ts";
