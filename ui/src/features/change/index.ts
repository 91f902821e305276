export { ChangeDialog } from "src/features/change/ChangeDialog";
export { wordsOf } from "src/features/change/words";
