/** Names as users know them, of the full names the ledger keeps. */
export { familiarOf as familiar } from "@strata/oci";
